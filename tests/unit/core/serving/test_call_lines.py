"""Under load a few lines about calls are written, and they count those that are not."""

from convoy.core.serving.call_log import _Lines


def test_a_few_lines_a_second_and_the_next_counts_the_rest() -> None:
    lines = _Lines()
    assert [lines.leave_out("Classify", "OK") for _ in range(3)] == [0, 0, 0]  # no limit is set
    lines.most = 2
    said = [lines.leave_out("Classify", "OK") for _ in range(5)]
    assert said == [0, 0, None, None, None]
    assert lines.leave_out("Classify", "INTERNAL") == 0  # each status has lines of its own
    began, written, left_out = lines._since["Classify", "OK"]
    lines._since["Classify", "OK"] = began - 1.0, written, left_out
    assert lines.leave_out("Classify", "OK") == 3
