"""Callers that wait together get their own answers, whatever happens to one batch."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from convoy.recognition.search.sharing import TOGETHER, Shared


class Answers:
    """Doubles numbers, refuses negative ones, and holds back the first batch until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.inside = 0

    def __call__(self, numbers: list[int]) -> list[int]:
        self.inside += 1
        assert self.inside == 1
        self.batches.append(numbers)
        self.begun.set()
        assert self.go_on.wait(10)
        self.inside -= 1
        if min(numbers) < 0:
            raise ValueError("negative")
        return [2 * number for number in numbers]


@pytest.fixture
def answers() -> Answers:
    return Answers()


def test_who_comes_meanwhile_is_answered_together(answers: Answers) -> None:
    shared = Shared(answers)
    with ThreadPoolExecutor(2 * TOGETHER) as pool:
        first = pool.submit(shared.ask, 0)
        assert answers.begun.wait(10)
        others = [pool.submit(shared.ask, number) for number in range(1, TOGETHER + 3)]
        while len(shared._waiting) < len(others):
            pass
        answers.go_on.set()
        assert first.result(10) == 0
        assert [other.result(10) for other in others] == [2 * number for number in range(1, TOGETHER + 3)]
    assert [len(batch) for batch in answers.batches] == [1, TOGETHER, 2]


def test_a_query_that_fails_fails_no_other_of_its_batch(answers: Answers) -> None:
    shared = Shared(answers)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(shared.ask, 1)
        assert answers.begun.wait(10)
        wrong, right = pool.submit(shared.ask, -1), pool.submit(shared.ask, 2)
        while len(shared._waiting) < 2:
            pass
        answers.go_on.set()
        assert first.result(10) == 2
        with pytest.raises(ValueError, match="negative"):
            wrong.result(10)
        assert right.result(10) == 4
    assert shared.ask(3) == 6


def test_many_callers_at_once_get_their_own_answers(answers: Answers) -> None:
    answers.go_on.set()
    shared = Shared(answers)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.ask, range(2_000))) == [2 * number for number in range(2_000)]
