"""Two replicas of recognition and a store, all of them processes of this machine, and what befalls them."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import grpc
from convoy.fleet.ports import free_range
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.history.callers import Replica
from tests.history.stores import STORES, Store

START_S = 120
COMMAND = "from convoy.cli.app import app; app()"
FAULTS = (
    "kill a replica",
    "kill Redis",
    "pause Redis",
    "pause a replica",
    "kill both replicas",
    "kill Redis and a replica",
)


class Process:
    """A replica that can be killed and started anew on the same port."""

    def __init__(self, number: int, faces: str, store: Store, folder: Path) -> None:
        self.port = free_range(1)
        settings = {
            "CONVOY_PORT": str(self.port), "CONVOY_METRICS_PORT": "0", "CONVOY_LOG_LEVEL": "warning",
            "CONVOY_FACES_ADDRESS": faces, "CONVOY_REDIS_URL": store.url, **store.settings,
        }  # fmt: skip
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CONVOY_")}
        self._environment = kept | settings
        self._log = folder / f"replica-{number}.log"
        self._starts = 0
        self._number = number
        self.replica = Replica("", f"127.0.0.1:{self.port}")
        self.start()

    def start(self) -> None:
        self._starts += 1
        self.replica.name = f"replica {self._number}, start {self._starts}"
        with self._log.open("ab") as log:
            command = [sys.executable, "-c", COMMAND, "serve", "recognition"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def signal(self, by: signal.Signals) -> None:
        self._process.send_signal(by)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    async def serves(self) -> None:
        """Return when it says so."""
        stub = health_pb2_grpc.HealthStub(self.replica.channel)
        async with asyncio.timeout(START_S):
            while True:
                assert self._process.poll() is None, self._log.read_text()
                try:
                    said = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
                    if said.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                except grpc.aio.AioRpcError:
                    pass
                await asyncio.sleep(0.1)


class Scene:
    """A store and two replicas on it."""

    def __init__(self, store: Store, processes: list[Process]) -> None:
        self.store = store
        self.processes = processes
        self.told: list[str] = []

    async def serve(self) -> None:
        for process in self.processes:
            await process.serves()

    async def befall(self, rng: random.Random) -> None:
        """One fault, and its end."""
        [fault] = rng.choices(FAULTS, [self.store.share if "Redis" in fault else 1 for fault in FAULTS])
        one, seconds = rng.choice(self.processes), rng.uniform(0.2, 7.0)
        match fault:
            case "kill a replica":
                one.kill()
                one.start()
                await one.serves()
            case "kill both replicas":
                for each in self.processes:
                    each.kill()
                    each.start()
                await self.serve()
            case "kill Redis" | "kill Redis and a replica":
                fault = fault.replace("Redis", await asyncio.to_thread(self.store.kill, rng))
                if "replica" in fault:
                    one.kill()
                    one.start()
                await asyncio.sleep(seconds / 3)
                await asyncio.to_thread(self.store.start)
                await self.serve()
            case "pause Redis":
                fault = fault.replace("Redis", await asyncio.to_thread(self.store.pause, rng))
                await asyncio.sleep(seconds)
                await asyncio.to_thread(self.store.resume)
            case "pause a replica":
                one.signal(signal.SIGSTOP)
                await asyncio.sleep(seconds)
                one.signal(signal.SIGCONT)
        self.told.append(fault)


@asynccontextmanager
async def scene(faces: str, kind: str) -> AsyncIterator[Scene]:
    """kind: the store, one of STORES."""
    with tempfile.TemporaryDirectory(prefix="convoy-history-") as name, ExitStack() as ending:
        store = STORES[kind](Path(name))
        ending.callback(store.stop)
        processes = []
        for number in (1, 2):
            processes.append(Process(number, faces, store, Path(name)))
            ending.callback(processes[-1].kill)
        yield Scene(store, processes)
        for process in processes:
            await process.replica.channel.close()
