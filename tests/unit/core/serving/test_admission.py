"""A gate refuses what every queue behind it would refuse, and nothing else."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from convoy.core.errors import DeadlineExceeded, NotFound, ResourceExhausted
from convoy.core.manifest import Task
from convoy.core.models.batching import Batcher, BatchPolicy
from convoy.core.models.pipeline import Pipeline
from convoy.core.models.statistics import Statistics
from convoy.core.serving import admission as gate_module
from convoy.core.serving.admission import Gate
from convoy.core.serving.model_services import gates
from convoy.core.turns import Turn, begin_turn

QUEUE = 2
INFER = "/inference.GRPCInferenceService/ModelInfer"
PIXELS = np.zeros(1, np.uint8)


@pytest.fixture
def closed() -> Iterator[threading.Event]:
    """Engines run nothing until the event is set."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def executor(closed: threading.Event) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool
        closed.set()


def model(executor: ThreadPoolExecutor, closed: threading.Event, task: Task = Task.CLASSIFICATION) -> Any:
    def run(images: np.ndarray, alone: bool) -> dict[str, np.ndarray]:
        closed.wait(10)
        return {"same": images}

    batcher = Batcher(run, BatchPolicy(1, queue_size=QUEUE), executor)
    return SimpleNamespace(batcher=batcher, statistics=Statistics(), manifest=SimpleNamespace(task=task))


async def fill(batcher: Batcher) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(batcher.submit(PIXELS)) for _ in range(1 + QUEUE)]
    await asyncio.sleep(0)
    return tasks


@pytest.fixture
async def models(executor: ThreadPoolExecutor, closed: threading.Event) -> AsyncIterator[list[Any]]:
    """One that is full, and one that is idle."""
    full, idle = model(executor, closed), model(executor, closed)
    tasks = await fill(full.batcher)
    yield [full, idle]
    closed.set()
    await asyncio.gather(*tasks)


async def test_a_call_is_refused_where_no_queue_would_take_it(models: list[Any]) -> None:
    full, idle = models
    with pytest.raises(ResourceExhausted) as refused, Gate(lambda _: [full.batcher]).passing(None):
        raise AssertionError("it was let in")
    assert refused.value.reason == "QUEUE_FULL" and refused.value.metadata == {"queue_size": str(QUEUE)}
    with Gate(lambda _: [full.batcher, idle.batcher]).passing(None), Gate(lambda _: []).passing(None):
        pass
    with pytest.raises(DeadlineExceeded), Gate(lambda _: [idle.batcher]).passing(time.monotonic() - 1):
        raise AssertionError("it was let in")


async def test_what_is_arriving_has_places_in_the_queue(models: list[Any]) -> None:
    gate = Gate(lambda _: [models[1].batcher])
    with ExitStack() as arriving:
        for _ in range(QUEUE):
            arriving.enter_context(gate.passing(None))
        with pytest.raises(ResourceExhausted), gate.passing(None):
            raise AssertionError("it was let in")
    with gate.passing(None):
        pass


async def test_a_slow_sender_keeps_nobody_out(models: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "_SOON_S", 0.0)
    gate = Gate(lambda _: [models[1].batcher])
    with ExitStack() as arriving:
        for _ in range(2 * QUEUE):
            arriving.enter_context(gate.passing(None))


def gate_of(full: Any, idle: Any, method: str = "/Any", **facts: Any) -> Gate:
    return gates_of(full, idle, **facts)[method]


def gates_of(
    full: Any, idle: Any, default: str = "full", asleep: Collection[str] = (), of: Task = Task.CLASSIFICATION
) -> dict[str, Gate]:
    """Before the methods of a host with two models, and others that are not loaded, which do `of`."""
    loaded = {"full": full, "full:1": full, "idle": idle}

    def named(name: str) -> Any:
        if name not in loaded:
            raise NotFound("MODEL_NOT_FOUND", name)
        return loaded[name]

    repository = SimpleNamespace(loaded=lambda: [full, idle], idle={name: frozenset([of]) for name in asleep})
    settings = SimpleNamespace(queue_size=QUEUE)
    host: Any = SimpleNamespace(repository=repository, named=named, default=default, settings=settings)
    return gates(host, {"/Any": [Task.CLASSIFICATION], "/Other": [Task.EMBEDDING]})


def lets_in(gate: Gate, named: str | None) -> bool:
    try:
        with gate.passing(None, named):
            return True
    except ResourceExhausted:
        return False


async def test_a_call_that_names_its_model_is_judged_by_that_queue(models: list[Any]) -> None:
    gate = gate_of(*models)
    assert not lets_in(gate, "full") and not lets_in(gate, "full:1")
    assert lets_in(gate, "idle")
    # The empty name is the default's, whichever that is.
    assert not lets_in(gate, "") and lets_in(gate_of(*models, default="idle"), "")


async def test_a_call_that_names_none_or_an_unknown_one_is_judged_by_all(models: list[Any]) -> None:
    full, idle = models
    for named in (None, "unknown", "idle:7", "\N{SNOWMAN}"):
        assert lets_in(gate_of(full, idle), named)
        assert not lets_in(gate_of(full, full), named)
    # Not even the default is there any more.
    assert lets_in(gate_of(full, idle, default="gone"), "")


async def test_messages_of_one_caller_that_arrive_keep_no_other_caller_out(models: list[Any]) -> None:
    gate = Gate(lambda _: [models[1].batcher])
    with ExitStack() as arriving:
        begin_turn(Turn("greedy"))
        for _ in range(QUEUE):
            arriving.enter_context(gate.passing(None))
        with pytest.raises(ResourceExhausted), gate.passing(None):
            raise AssertionError("it was let in")
        begin_turn(Turn("calm"))
        with gate.passing(None):
            pass


async def test_what_arrives_for_one_model_keeps_nobody_from_another(
    models: list[Any], executor: ThreadPoolExecutor, closed: threading.Event
) -> None:
    gate = gate_of(models[1], model(executor, closed))
    with ExitStack() as arriving:
        for _ in range(QUEUE):
            arriving.enter_context(gate.passing(None, "full"))
        assert not lets_in(gate, "full") and not lets_in(gate, "full:1")
        assert lets_in(gate, "idle") and lets_in(gate, None)


async def test_nothing_is_decoded_that_the_queue_would_refuse(models: list[Any], executor: ThreadPoolExecutor) -> None:
    seen: list[object] = []
    full, idle = models
    with idle.batcher.preparing(None), idle.batcher.preparing(None):
        for refusing in (full, idle):
            with pytest.raises(ResourceExhausted):
                await Pipeline(None, None).run(  # type: ignore[arg-type]
                    refusing, [1], seen.append, lambda outputs, context: None, lambda source: 1, None
                )
    assert seen == []


async def test_a_call_for_a_model_that_is_not_loaded_yet_waits_for_no_other_model(models: list[Any]) -> None:
    full, _ = models
    for named in (None, "asleep"):
        gate = gate_of(full, full, asleep=["asleep"])
        with ExitStack() as arriving:
            for _ in range(QUEUE):
                arriving.enter_context(gate.passing(None, named))
            assert not lets_in(gate, named)  # No more messages at once than its queue has places.
        assert lets_in(gate, named) and not lets_in(gate, "full")


async def test_only_models_that_the_method_takes_let_a_call_in(
    models: list[Any], executor: ThreadPoolExecutor, closed: threading.Event
) -> None:
    full, free = models[0], model(executor, closed, Task.EMBEDDING)
    asleep = {"asleep": ["asleep"], "of": Task.EMBEDDING}
    for gate in (gate_of(full, full, **asleep), gate_of(full, free), gate_of(full, free, default="gone")):
        assert not lets_in(gate, None) and not lets_in(gate, "unknown")
    for gate in (gate_of(full, full, **asleep, method=INFER), gate_of(full, free, method=INFER)):
        assert lets_in(gate, None)  # which takes models of every task


async def test_a_full_default_of_another_task_keeps_nobody_out(
    models: list[Any], executor: ThreadPoolExecutor, closed: threading.Event
) -> None:
    full, free = models[0], model(executor, closed, Task.EMBEDDING)
    assert lets_in(gate_of(full, free, method="/Other"), "") and lets_in(gate_of(full, full, method="/Other"), None)


async def test_messages_for_one_model_count_before_every_method(models: list[Any]) -> None:
    before = gates_of(*models)
    with ExitStack() as arriving:
        for _ in range(QUEUE):
            arriving.enter_context(before["/Any"].passing(None, "idle"))
        assert not lets_in(before[INFER], "idle")
