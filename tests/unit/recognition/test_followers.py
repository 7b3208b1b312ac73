"""What is said of a store that stays away."""

from convoy.recognition.search.told import LONGEST_SILENCE_S, Told


def test_a_trouble_that_lasts_is_told_at_growing_intervals_and_when_it_changes() -> None:
    told = Told()
    assert [second for second in range(20) if told.is_due("refused", second)] == [0, 1, 3, 7, 15]
    assert told.is_due("timed out", 20) and not told.is_due("timed out", 20.5)
    hours = [second for second in range(21, 7200) if told.is_due("timed out", second)]
    assert hours[-1] - hours[-2] == LONGEST_SILENCE_S
