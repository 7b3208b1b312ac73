"""`convoy doors curve` shows the numbers that the doors give."""

import json

from convoy.cli.app import app
from typer.testing import CliRunner


def test_each_scale_has_its_own_number_at_the_threshold() -> None:
    done = CliRunner().invoke(app, ["doors", "curve", "--threshold", "0.42", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["similarity"]: row for row in json.loads(done.stdout)["curve"]}
    assert rows[0.42] == {"similarity": 0.42, "compreface": 0.5, "deepstack": 0.67, "rekognition": 80.0}
    assert rows[0.4]["compreface"] < 0.5 < rows[0.45]["compreface"]
    assert rows[1.0]["deepstack"] == 1.0


def test_a_person_reads_a_table() -> None:
    done = CliRunner().invoke(app, ["doors", "curve", "--threshold", "0.42"])
    assert done.exit_code == 0 and "rekognition" in done.output and "80.0" in done.output
