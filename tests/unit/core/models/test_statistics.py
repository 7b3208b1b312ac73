"""Requests are counted once, whatever number of pictures they have."""

import asyncio

import pytest
from convoy.core.models.batching import Timing
from convoy.core.models.statistics import Statistics


def test_a_request_of_several_pictures_is_one_with_the_mean_of_their_stages() -> None:
    counted = Statistics()
    with counted.request() as stages:
        stages.prepare.add(1.0)
        stages.finish.add(4.0)
        for timing in (Timing(2.0, 10.0, 2), Timing(4.0, 10.0, 2)):
            counted.ran(timing)
            stages.ran(timing)
    assert (counted.inputs, counted.batches, counted.success.count, counted.fail.count) == (2, 1.0, 1, 0)
    durations = [counted.stages.prepare, counted.stages.queue, counted.stages.infer, counted.stages.finish]
    assert [(one.count, one.seconds) for one in durations] == [(1, 1.0), (1, 3.0), (1, 10.0), (1, 4.0)]


@pytest.mark.parametrize("end", [ValueError, asyncio.CancelledError])
def test_a_request_without_an_answer_has_failed(end: type[BaseException]) -> None:
    counted = Statistics()

    def ask() -> None:
        with counted.request() as stages:
            stages.prepare.add(1.0)
            raise end

    with pytest.raises(end):
        ask()
    assert (counted.success.count, counted.fail.count, counted.stages.prepare.count) == (0, 1, 0)


def test_a_request_of_which_nothing_ran_is_none() -> None:
    counted = Statistics()
    with counted.request():
        pass
    assert (counted.success.count, counted.fail.count) == (0, 0)
