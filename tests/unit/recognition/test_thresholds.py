import pytest
from convoy.recognition.domain.thresholds import Decision, coarse_count, comparison_rate, decide, identification_rate


@pytest.mark.parametrize(
    ("best", "second", "decision"),
    [
        (None, None, Decision.NO_MATCH),
        (0.39, None, Decision.NO_MATCH),
        (0.40, None, Decision.MATCH),
        (0.50, 0.39, Decision.MATCH),
        (0.41, 0.39, Decision.MATCH),
        (0.50, 0.45, Decision.AMBIGUOUS),
        (0.75, 0.50, Decision.MATCH),
        (0.50, 0.50, Decision.AMBIGUOUS),
    ],
)
def test_decision(best: float | None, second: float | None, decision: Decision) -> None:
    assert decide(best, second, threshold=0.4, margin=0.125) is decision


def test_one_comparison_in_a_million_may_err_less_the_more_are_made() -> None:
    assert comparison_rate(0.01, 1) == pytest.approx(0.01)
    assert comparison_rate(0.01, 1_000_000) == pytest.approx(0.01005 / 1_000_000, rel=1e-3)


def test_a_fixed_rate_of_one_in_a_million_errs_in_most_searches_of_a_million() -> None:
    assert identification_rate(1e-6, 1_000) == pytest.approx(0.001, rel=1e-2)
    assert identification_rate(1e-6, 1_000_000) == pytest.approx(0.632, rel=1e-2)
    assert identification_rate(1.0, 5) == 1.0
    assert identification_rate(1.0, 0) == 0.0


def test_a_coarse_count_takes_few_values_and_is_never_less() -> None:
    counts = [coarse_count(faces) for faces in range(1, 257)]
    assert set(counts) == {1, 4, 16, 64, 256}
    assert all(count >= faces for faces, count in enumerate(counts, 1))
    assert [coarse_count(4**power) for power in range(12)] == [4**power for power in range(12)]
