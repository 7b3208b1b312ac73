"""Takes pictures through a model: threads decode and prepare them, the engine runs, threads read its outputs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from convoy.core.errors import ConvoyError
from convoy.core.models.budget import PixelBudget
from convoy.core.models.engine import Outputs
from convoy.core.models.fair_threads import FairThreads
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.statistics import Stages
from convoy.core.pictures.stopping import Wanted, while_wanted
from convoy.core.telemetry import batch_sizes, stage, stage_seconds
from convoy.core.tracing import past_span

Source = TypeVar("Source")
Context = TypeVar("Context")
Result = TypeVar("Result")
Item = TypeVar("Item")
Value = TypeVar("Value")
Prepare = Callable[[Source], tuple[npt.NDArray[np.generic], Context]]
Interpret = Callable[[Outputs, Context], Result]

LOOKS_IN_FLIGHT = 4
"""How many inputs of one source wait for a model at a time."""


class Tiled(Protocol):
    """A source that goes through a model in tiles. Threads call both functions, each for another tile at a time."""

    @property
    def tiles(self) -> Sequence[Any]:
        """The tiles, which only the source itself understands."""

    def look(self, tile: Any, /) -> npt.NDArray[np.generic]:
        """The graph's input [...] for a tile."""

    def put(self, tile: Any, outputs: Outputs, /) -> None:
        """Put the outputs for a tile into their place."""


Work = TypeVar("Work", bound=Tiled)


class Pipeline:
    """Runs sources through models; `threads` decode, prepare and interpret, off the event loop.

    budget: how many pixels may be in work at a time; pictures that do not fit wait.
    """

    def __init__(self, threads: FairThreads, budget: PixelBudget) -> None:
        self._threads = threads
        self._budget = budget

    async def run(
        self,
        model: LoadedModel,
        sources: Sequence[Source],
        prepare: Prepare[Source, Context],
        interpret: Interpret[Context, Result],
        weigh: Callable[[Source], int],
        deadline: float | None,
        called: str = "picture",
    ) -> list[Result]:
        """Return the results in the order of the sources. Raises the first failure, and names the source that failed.

        prepare: source -> (graph input [...], context); interpret: (rows of the outputs, context) -> result. Neither
        may touch the event loop. weigh: how many pixels a source has. deadline: on time.monotonic's clock. called: what
        a source is.
        """

        def prepare_one(source: Source) -> tuple[list[npt.NDArray[np.generic]], Context]:
            inputs, context = prepare(source)
            return [inputs], context

        def interpret_one(outputs: list[Outputs], context: Context) -> Result:
            return interpret(outputs[0], context)

        return await self.run_looks(model, sources, prepare_one, interpret_one, weigh, deadline, called)

    async def run_looks(
        self,
        model: LoadedModel,
        sources: Sequence[Source],
        prepare: Callable[[Source], tuple[list[npt.NDArray[np.generic]], Context]],
        interpret: Callable[[list[Outputs], Context], Result],
        weigh: Callable[[Source], int],
        deadline: float | None,
        called: str = "picture",
    ) -> list[Result]:
        """Do the same as `run` for a model that looks at each source several times: one output for each input."""

        async def one(source: Source) -> Result:
            started = time.perf_counter()
            async with AsyncExitStack() as held:
                with model.batcher.preparing(deadline):
                    pixels = await self._off_loop(deadline, weigh, source)
                    await held.enter_async_context(self._budget.taken(pixels))
                    inputs, context = await self.stage(model, "preprocess", deadline, prepare, source)
                stages.prepare.add(time.perf_counter() - started)
                outputs = await in_turns(model, inputs, deadline, stages)
                started = time.perf_counter()
                result = await self.stage(model, "postprocess", None, interpret, outputs, context)
                stages.finish.add(time.perf_counter() - started)
                return result

        with model.statistics.request() as stages:
            return await in_order(sources, one, called)

    async def run_tiles(
        self,
        model: LoadedModel,
        sources: Sequence[Source],
        start: Callable[[Source], Work],
        finish: Callable[[Work], Result],
        weigh: Callable[[Source], int],
        deadline: float | None,
    ) -> list[Result]:
        """Do the same as `run` for sources that are cut into tiles, of which only a few are in memory at a time."""

        async def one(source: Source) -> Result:
            started = time.perf_counter()
            async with AsyncExitStack() as held:
                with model.batcher.preparing(deadline):
                    pixels = await self._off_loop(deadline, weigh, source)
                    await held.enter_async_context(self._budget.taken(pixels))
                    work = await self.stage(model, "preprocess", deadline, start, source)
                stages.prepare.add(time.perf_counter() - started)
                await self._run_each_tile(model, work, deadline, stages)
                started = time.perf_counter()
                result = await self.stage(model, "postprocess", None, finish, work)
                stages.finish.add(time.perf_counter() - started)
                return result

        with model.statistics.request() as stages:
            return await in_order(sources, one)

    async def _run_each_tile(self, model: LoadedModel, work: Tiled, deadline: float | None, stages: Stages) -> None:
        places = asyncio.Semaphore(LOOKS_IN_FLIGHT)

        async def one(tile: object) -> None:
            async with places:
                inputs = await self.stage(model, "preprocess", deadline, work.look, tile)
                outputs = await infer(model, inputs, deadline, stages)
                await self.stage(model, "postprocess", None, work.put, tile, outputs)

        await at_once([asyncio.ensure_future(one(tile)) for tile in work.tiles])

    async def stage(
        self, model: LoadedModel, name: str, deadline: float | None, work: Callable[..., Value], *arguments: object
    ) -> Value:
        """Do `work` in a thread, and measure it as a stage of the model. Raises DeadlineExceeded if it is too late."""

        def measured() -> Value:
            with stage(model.manifest.name, model.manifest.version, name):
                return work(*arguments)

        return await self._off_loop(deadline, measured)

    async def _off_loop(self, deadline: float | None, work: Callable[..., Value], *arguments: object) -> Value:
        """Do `work` in a thread. Raises DeadlineExceeded if it is too late."""

        wanted = Wanted(deadline)

        def in_time() -> Value:
            wanted.check()
            with while_wanted(wanted):
                return work(*arguments)

        # A caller who hangs up cancels this wait; the thread then stops at its next step.
        return await self._threads.run(in_time, given_up=wanted.give_up)


async def infer(
    model: LoadedModel, inputs: npt.NDArray[np.generic], deadline: float | None, stages: Stages, priority: int = 0
) -> Outputs:
    """Run one prepared input through a model's batcher, and measure it. stages: those of the request it belongs to."""
    name, version = model.manifest.name, model.manifest.version
    outputs, timing = await model.batcher.submit(inputs, deadline, priority)
    model.statistics.ran(timing)
    stages.ran(timing)
    stage_seconds(name, version, "queue").observe(timing.queue_s)
    stage_seconds(name, version, "infer").observe(timing.infer_s)
    batch_sizes(name, version).observe(timing.batch_size)
    past_span("queue", timing.queue_s + timing.infer_s, timing.queue_s)
    past_span("infer", timing.infer_s, timing.infer_s, batch_size=timing.batch_size)
    return outputs


async def in_turns(
    model: LoadedModel, inputs: Sequence[npt.NDArray[np.generic]], deadline: float | None, stages: Stages
) -> list[Outputs]:
    """Return the outputs of each input. Submits LOOKS_IN_FLIGHT at a time, so that one picture can't fill the queue."""
    if len(inputs) == 1:
        return [await infer(model, inputs[0], deadline, stages)]
    places = asyncio.Semaphore(LOOKS_IN_FLIGHT)

    async def one(look: npt.NDArray[np.generic]) -> Outputs:
        async with places:
            return await infer(model, look, deadline, stages)

    return await at_once([asyncio.ensure_future(one(look)) for look in inputs])


async def in_order(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Value]], called: str = "picture"
) -> list[Value]:
    """Do `work` on all items at once; return the results in order. Raises the first failure and cancels the rest.

    called: what an item is, for the failure's message.
    """
    sources = list(items)
    if len(sources) == 1:
        return [await work(sources[0])]
    tasks = [asyncio.ensure_future(work(source)) for source in sources]
    try:
        return await at_once(tasks)
    except ConvoyError as error:
        failed = next(
            (i for i, t in enumerate(tasks) if t.done() and not t.cancelled() and t.exception() is error), None
        )
        if failed is not None:
            error.message = f"{called} {failed + 1} of {len(tasks)}: {error.message}"
            error.metadata["image_index"] = str(failed)
        raise


async def at_once(tasks: Sequence[asyncio.Future[Value]]) -> list[Value]:
    """Return the results of all tasks, in order. Raises the first failure unchanged and cancels the rest."""
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
