"""The long attacks, in parts: each sends ten thousand bad inputs to a fleet, and kills Redis and its writer 20 times.

python -m benchmarks.attack_parts [PART ...]    # of 1 to 10; by default all that are missing

A part is a seed. What it showed is kept when it ends (build/attack_parts.json), so whoever was stopped goes on with the
parts that are missing; when none is, all begin anew. benchmarks/results/attack_parts.json gets the parts so far.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.conditions import RESULTS, write_result

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "attack_parts.json"
PARTS = range(1, 11)
BAD_INPUTS, KILLS = 10_000, 14
"""The test that kills the writer does it a quarter as often, once alone and once together with Redis: 20 in all."""
TESTS = (
    "tests/integration/test_abuse.py::test_bad_inputs_have_the_right_status_and_leave_nothing_behind",
    "tests/integration/test_durability.py",
)


def main() -> int:
    wanted = [int(word) for word in sys.argv[1:]]
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if len(kept) == len(PARTS):
        kept = {}
    for part in wanted or [part for part in PARTS if str(part) not in kept]:
        began = time.monotonic()
        showed = run(part)
        if showed is None:
            print(f"part {part} failed", flush=True)
            return 1
        kept[str(part)] = showed | {"seconds": round(time.monotonic() - began)}
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept))
        numbers = {"parts": sorted(map(int, kept)), "in all": in_all(list(kept.values())), "by part": kept}
        write_result("attack_parts", "python -m benchmarks.attack_parts", numbers)
        print(f"part {part}: {kept[str(part)]}", flush=True)
    print(f"{len(kept)} of {len(PARTS)} parts are in {RESULTS / 'attack_parts.json'}")
    return 0


def run(part: int) -> dict[str, object] | None:
    """What the tests of a part noted; None if one failed."""
    environment = os.environ | {"BAD_INPUTS": str(BAD_INPUTS), "KILLS": str(KILLS), "SEED": str(part)}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        if subprocess.run([sys.executable, "-m", "pytest", *options, *TESTS], cwd=ROOT, env=environment).returncode:
            return None
        noted: dict[str, object] = {}
        for one in ElementTree.parse(report).iter("property"):
            value = json.loads(one.attrib["value"])
            before = noted.get(one.attrib["name"], 0)
            # Three tests count kills and writes.
            noted[one.attrib["name"]] = before + value if isinstance(before, int) and isinstance(value, int) else value
    return noted


def in_all(parts: list[dict[str, object]]) -> dict[str, object]:
    """Sums of what was counted, and the largest growth of a process."""
    answers: dict[str, int] = {}
    for part in parts:
        for code, count in dict(part["answers"]).items():  # type: ignore[call-overload]
            answers[code] = answers.get(code, 0) + count
    growth = [mib for part in parts for mib in dict(part["growth in MiB"]).values()]  # type: ignore[call-overload]
    sums = {
        name: sum(int(str(part[name])) for part in parts) for name in ("bad inputs", "kills", "acknowledged writes")
    }
    return sums | {"answers": answers, "largest growth in MiB": max(growth)}


if __name__ == "__main__":
    sys.exit(main())
