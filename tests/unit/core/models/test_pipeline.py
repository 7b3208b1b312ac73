"""What nobody waits for any more is not looked at: neither decoded nor interpreted."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from convoy.core.errors import DeadlineExceeded
from convoy.core.manifest import GRAPH_FILE, Task, load_manifest
from convoy.core.models.batching import Batcher, BatchPolicy
from convoy.core.models.budget import PixelBudget
from convoy.core.models.engine import Engine
from convoy.core.models.fair_threads import FairThreads
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.pipeline import Pipeline
from convoy.core.models.shares import PromptThreads, Shares
from convoy.core.pictures import stopping
from convoy.testing.tiny_models import write_model


@pytest.mark.parametrize("fate", ["late", "gone"])
async def test_a_picture_whose_caller_has_given_up_is_not_decoded(tmp_path: Path, fate: str) -> None:
    folder = write_model(tmp_path, "tiny", Task.CLASSIFICATION)
    busy, decoded = threading.Event(), []
    with ThreadPoolExecutor(1) as executor:
        engine = Engine(folder / GRAPH_FILE, "cpu")
        model = LoadedModel(load_manifest(folder), engine, Batcher(engine.run, BatchPolicy(), executor))
        executor.submit(busy.wait, 10)
        deadline = time.monotonic() + 0.02 if fate == "late" else None
        prompt = PromptThreads(1, "prompt", Shares(1))
        threads = FairThreads(executor, 1, prompt)
        call = asyncio.create_task(
            Pipeline(threads, PixelBudget(1000)).stage(model, "preprocess", deadline, decoded.append, "picture")
        )
        await asyncio.sleep(0.05)
        if fate == "gone":
            call.cancel()
            await asyncio.sleep(0)
        busy.set()
        with pytest.raises(DeadlineExceeded if fate == "late" else asyncio.CancelledError):
            await call
        prompt.shutdown()
    assert decoded == []


@pytest.mark.parametrize("fate", ["late", "gone"])
async def test_work_that_runs_ends_at_its_next_step_once_its_caller_has_given_up(
    tmp_path: Path, fate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_s = 0.0
    monkeypatch.setattr(stopping, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed_s))
    folder = write_model(tmp_path, "tiny", Task.CLASSIFICATION)
    began, steps = threading.Event(), []

    def decode() -> None:
        for _ in range(6000):
            stopping.check()
            began.set()
            steps.append(1)
            time.sleep(0.01)

    with ThreadPoolExecutor(1) as executor:
        engine = Engine(folder / GRAPH_FILE, "cpu")
        model = LoadedModel(load_manifest(folder), engine, Batcher(engine.run, BatchPolicy(), executor))
        prompt = PromptThreads(1, "prompt", Shares(1))
        deadline = time.monotonic() + 600 if fate == "late" else None
        pipeline = Pipeline(FairThreads(executor, 1, prompt), PixelBudget(1000))
        call = asyncio.create_task(pipeline.stage(model, "preprocess", deadline, decode))
        assert await asyncio.to_thread(began.wait, 30)
        if fate == "gone":
            call.cancel()
        else:
            passed_s = 600.0
        with pytest.raises(DeadlineExceeded if fate == "late" else asyncio.CancelledError):
            await call
        prompt.shutdown()
    assert 0 < len(steps) < 6000
