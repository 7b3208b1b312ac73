"""Starts Redis, the services and the web door as processes, waits until they are healthy, and stops them in order."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from convoy.client.blocking import Convoy
from convoy.core.api import METRICS_PORT_OFFSET, SERVICES, WEB, ServiceName
from convoy.core.errors import ConvoyError, NotFound, Unavailable
from convoy.core.machine import LARGE_PAGES
from convoy.core.serving.ports import check_port
from convoy.core.settings import read_settings
from convoy.fleet.embedded_redis import EmbeddedRedis
from convoy.fleet.external_redis import wait_for_redis
from convoy.fleet.ports import HOST
from convoy.fleet.process import Process
from convoy.fleet.restarter import Restarter
from convoy.fleet.web import check_web, start_web, wait_for_web

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0


class Fleet:
    """The services and their Redis, which run from `with` to the end of its block.

    data: folder of galleries and logs; models: model repositories; ports: one for each service; metrics: True puts
    each metrics page at the service's port + 1000, False at any free port; redis_url: a Redis to use instead of an
    embedded one; model_set: instead of CONVOY_MODEL_SET; web_port: that of the web door, None for none; on_ready:
    called with the name of each process that has become healthy; tell: called with a sentence when a process ended by
    itself, when the start waits for your Redis, or when there is no web door.
    """

    def __init__(
        self,
        data: Path,
        models: Path | Sequence[Path],
        ports: dict[ServiceName, int],
        *,
        metrics: bool = True,
        redis_url: str | None = None,
        model_set: str = "",
        web_port: int | None = None,
        on_ready: Callable[[str], None] = lambda name: None,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.addresses: dict[ServiceName, str] = {service: f"{HOST}:{port}" for service, port in ports.items()}
        self.data = data
        self._models = (models,) if isinstance(models, Path) else tuple(models)
        self._ports = ports
        self._metrics = metrics
        self._redis_url = redis_url
        self._model_set = model_set
        self._web_port = web_port
        self._web_url = ""
        settings = read_settings()
        self._door_secret = settings.door_secret.get_secret_value() or secrets.token_hex(32)
        self._has_tls = settings.tls_cert is not None
        self._on_ready = on_ready
        self._tell = tell
        self._redis: EmbeddedRedis | None = None
        self._restarters: list[Restarter] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(self, timeout_s: float | None = None) -> Convoy:
        """A client of this fleet."""
        return Convoy(
            classification=self.addresses["classification"],
            detection=self.addresses["detection"],
            segmentation=self.addresses["segmentation"],
            faces=self.addresses["faces"],
            recognition=self.addresses["recognition"],
            imaging=self.addresses["imaging"],
            timeout_s=timeout_s,
        )

    @property
    def web_url(self) -> str:
        """Where the web door is; empty if there is none."""
        return self._web_url

    def check(self) -> None:
        """Raise Unavailable(PROCESS_ENDED) if one of the processes has ended."""
        for restarter in self._restarters:
            restarter.process.check()

    def restart_ended(self) -> None:
        """Restart each process that has ended by itself, after its pause. Call this again and again."""
        for restarter in self._restarters:
            restarter.restart_if_ended()

    def stop(self) -> None:
        """Drain the services, those that call others first, then stop Redis."""
        services = [restarter.process for restarter in self._restarters if restarter.process.name != "redis"][::-1]
        self._restarters = []
        for process in services:
            process.ask_to_stop()
        for process in services:
            process.wait(STOP_TIMEOUT_S)
        if self._redis is not None:
            self._redis.stop()
            self._redis = None

    def _start(self) -> None:
        self._check_models_and_ports()
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._redis_url is not None:
            wait_for_redis(self._redis_url, self._tell)
        else:
            self._redis = EmbeddedRedis(self.data / "redis", self.data / "logs" / "redis.log")
            self._redis_url = self._redis.url
            self._restarters.append(Restarter(self._redis.process, self._redis.restart, self._tell))
        self._on_ready("redis")
        for service in SERVICES:
            start = partial(self._start_service, service, self._redis_url)
            self._restarters.append(Restarter(start(), start, self._tell))
        with self.client(timeout_s=5) as convoy:
            for service in SERVICES:
                self._wait_until_serving(convoy, service)
                self._on_ready(service)
        if self._web_port is not None:
            self._start_web(self._web_port)

    def _start_web(self, port: int) -> None:
        """Start the web door. The fleet runs without one if that fails."""
        metrics_port = self._metrics_port(port)
        try:
            check_web(HOST, port, metrics_port)
        except ConvoyError as error:
            self._tell(f"no web door: {error}")
            return
        log_path = self.data / "logs" / f"{WEB}.log"
        start = partial(start_web, self.addresses, HOST, port, metrics_port, log_path, self._door_secret)
        process = start()
        # Among the others from the beginning, so that Ctrl-C while it starts stops it too.
        self._restarters.append(Restarter(process, start, self._tell))
        if wait_for_web(process, port):
            self._web_url = f"{'https' if self._has_tls else 'http'}://{HOST}:{port}"
            self._on_ready(WEB)
        else:
            self._tell(f"no web door: {process.ending() or 'it did not answer'} (log: {process.log_path})")
            self._restarters.pop()
            process.ask_to_stop()
            process.wait(STOP_TIMEOUT_S)

    def _check_models_and_ports(self) -> None:
        """Check what can be checked before anything starts; another fleet on these ports would answer for this one."""
        if not any(folder.is_dir() for folder in self._models):
            where = " or ".join(str(folder.absolute()) for folder in self._models)
            raise NotFound("NO_REPOSITORY", f"there is no model repository at {where}; set --models or CONVOY_MODELS")
        hint = "stop what runs there, or choose other ports with --ports-from"
        for service, port in self._ports.items():
            check_port(HOST, port, service, hint)
            check_port(HOST, self._metrics_port(port), f"the metrics page of {service}", hint)

    def _metrics_port(self, port: int) -> int:
        return port + METRICS_PORT_OFFSET if self._metrics else 0

    def _start_service(self, service: ServiceName, redis_url: str) -> Process:
        port = self._ports[service]
        environment = {
            "CONVOY_HOST": HOST,
            "CONVOY_PORT": str(port),
            "CONVOY_METRICS_PORT": str(self._metrics_port(port)),
            "CONVOY_MODELS": os.pathsep.join(str(folder.resolve()) for folder in self._models),
            "CONVOY_FACES_ADDRESS": self.addresses["faces"],
            "CONVOY_CLASSIFICATION_ADDRESS": self.addresses["classification"],
            "CONVOY_REDIS_URL": redis_url,
            "CONVOY_DOOR_SECRET": self._door_secret,
        }
        if self._model_set:
            environment["CONVOY_MODEL_SET"] = self._model_set
        command = [sys.executable, "-m", "convoy.cli", "serve", service]
        return Process(service, command, self.data / "logs" / f"{service}.log", environment, defaults=LARGE_PAGES)

    def _wait_until_serving(self, convoy: Convoy, service: ServiceName) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _is_serving(convoy, service):
            self.check()
            if time.monotonic() > deadline:
                raise Unavailable("START_TIMEOUT", f"{service} did not become healthy in {START_TIMEOUT_S:.0f} s")
            time.sleep(0.1)


def _is_serving(convoy: Convoy, service: ServiceName) -> bool:
    try:
        return convoy.check_health(service) == "SERVING"
    except ConvoyError:
        return False
