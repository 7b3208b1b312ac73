"""Write docs/benchmarks.md from results/*.json.

python -m benchmarks.report
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.conditions import RESULTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Generated from `benchmarks/results/` by `python -m benchmarks.report`; `make bench` measures everything anew and writes
this page. Networks have random weights, since speed does not depend on them, but where published models are named.
"""


def table(head: list[str], rows: list[list[object]]) -> str:
    """Write a Markdown table, with numbers aligned to the right."""
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---', *['---:'] * (len(head) - 1)])}|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(_show, row))} |" for row in rows)]) + "\n"


def overhead(numbers: dict[str, Any]) -> str:
    """Show how much of raw speed Convoy and the bare server keep."""
    rows: list[list[object]] = []
    for network, measured in numbers.items():
        for case, run in measured["served"].items():
            bare = measured.get("bare", {}).get(case, {})
            cells = [
                run["of_raw"],
                bare.get("of_raw"),
                run.get("cpu_of_raw"),
                bare.get("cpu_of_raw"),
                run["per_second"],
            ]
            cells += [run["cpu_ms_beyond_model"], bare.get("cpu_ms_beyond_model"), run["load_cpu_ms"]]
            rows.append([f"{network}, {case}", *cells, run["p50_ms"], run["p99_ms"], run.get("p50_ms_beyond_raw")])
    head = ["network and callers", "of raw", "bare server", "by CPU time", "bare server", "answers/s"]
    head += ["server CPU beyond the model, ms", "bare server", "load generator CPU, ms"]
    head += ["p50, ms", "p99, ms", "p50 beyond raw, ms"]
    limits = "; ".join(f"{network} {_limits(measured['raw'])}" for network, measured in numbers.items())
    memory = ", ".join(f"{n} {m['resident_mb']} MiB (bare {m.get('bare_resident_mb')})" for n, m in numbers.items())
    by_cpu = (
        "By CPU time: the model's share of the CPU time that server and load generator use for an answer. The bare\n"
        "server is gRPC's thread pool around ONNX Runtime and nothing else (`benchmarks/bare.py`)."
    )
    return f"{table(head, rows)}\n{by_cpu}\n\nRaw runs a second: {limits}. Resident: {memory}.\n"


def _limits(raw: dict[str, Any]) -> str:
    return ", ".join(f"{samples['per_second']} ({kind})" for kind, samples in raw.items())


def overload(numbers: dict[str, Any]) -> str:
    """Show goodput beyond the peak."""
    rows: list[list[object]] = []
    for network, measured in numbers.items():
        for factor in ("1 x", "2 x", "10 x"):
            run = measured[factor]
            accepted, refused = run.get("OK", {}), run.get("RESOURCE_EXHAUSTED", {})
            cells = [run["goodput_of_peak"], run["offered_per_second"], accepted.get("p99_ms")]
            cells += [refused.get("p50_ms"), refused.get("p99_ms"), run["load_generator_cores"]]
            rows.append([f"{network}, {factor}", *cells])
    head = [
        "network and load",
        "goodput of peak",
        "offered/s",
        "accepted p99, ms",
        "refused p50, ms",
        "refused p99, ms",
    ]
    peaks = ", ".join(f"{network} {m['peak_per_second']}/s" for network, m in numbers.items())
    deadline_s = next(iter(numbers.values()))["deadline_s"]
    conditions = f"Peaks: {peaks}; every call has a deadline of {deadline_s} s; one model is loaded."
    return f"{table([*head, 'load generator, cores'], rows)}\n{conditions}\n"


def peers(numbers: dict[str, Any]) -> str:
    """Show other servers beside Convoy."""
    rows: list[list[object]] = []
    for name, measured in numbers["servers"].items():
        eight, many = measured["8 callers"], measured["32 callers"]
        cells = [eight["of_raw"], many["of_raw"], eight["cpu_ms_beyond_model"], eight["p99_ms"], many["p99_ms"]]
        rows.append([name, *cells, measured["resident_mb"]])
    head = [
        "server",
        "of raw, 8 callers",
        "of raw, 32",
        "CPU beyond the model, ms",
        "p99 at 8, ms",
        "p99 at 32, ms",
        "MiB",
    ]
    failed = "".join(
        f"\n{name} is not in the table: `{' '.join(why.split())}`\n" for name, why in numbers["not_measured"].items()
    )
    helped = "".join(f"\n- {name}: {what}" for name, what in numbers["needed_help"].items())
    return f"{table(head, rows)}{failed}\nWhat each needed to start or to take tensors:\n{helped}\n"


def cost(numbers: dict[str, Any]) -> str:
    """Show what a call costs when the network does nothing."""
    rows = [[name, *costs.values()] for name, costs in numbers.items()]
    return table(["checkout", "server CPU of a call of 150 KB, ms", "least of the rounds"], rows)


SEARCH_TARGETS = {
    (1_000, "default"): (0.1, None),
    (10_000, "default"): (0.4, None),
    (100_000, "default"): (0.9, 1_800),
    (1_000_000, "default"): (6, 350),
    (100_000, "certified"): (3, None),
    (1_000_000, "certified"): (30, None),
}


def search(numbers: list[dict[str, Any]]) -> str:
    """Show the index in memory, beside its goals."""
    rows: list[list[object]] = []
    for run in numbers:
        p50, rate = SEARCH_TARGETS.get((run["faces"], run["way"]), (None, None))
        cells = [run["p50_ms"], p50, run["p99_ms"], run["cpu_ms"], round(run["queries_per_s"]), rate]
        rows.append([f"{run['faces']:,} {run['way']}", *cells, f"{run['agreed']:.2%}"])
    head = ["faces", "p50, ms", "aim", "p99, ms", "CPU a query, ms", "queries/s, 8 callers", "aim"]
    return table([*head, "agreed with brute force"], rows)


def store(numbers: list[dict[str, Any]]) -> str:
    """Show the store's numbers, beside their goals."""
    head = ["appendfsync", "faces", "register, p50 / p99 ms", "bare MULTI, p50 / p99 ms", "visible on 3, p50 / p99 ms"]
    head += ["bulk, faces/s", "CPU a face, µs", "cold load, s", "CPU, s", "reading alone, s"]
    keys = ["appendfsync", "faces", "register_ms_p50_p99", "bare_multi_ms_p50_p99", "visible_on_three_ms_p50_p99"]
    keys += ["bulk_faces_per_s", "bulk_cpu_us_a_face", "cold_load_s", "cold_load_cpu_s", "reading_alone_s"]
    aims = ["aim", "", "0.5 everysec, 1.0 always", "", "1.5 / 10", "12,000", "", "0.5 (10⁵), 12 (10⁶)", "", ""]
    rows: list[list[object]] = [*([run.get(key) for key in keys] for run in numbers), [*aims]]
    return table(head, rows)


def latency(numbers: dict[str, dict[str, Any]]) -> str:
    """Show what one call to each published model takes."""
    head = ["model", "picture", "p50, ms", "p99, ms", "CPU of the server, ms"]
    rows: list[list[object]] = [[name, *found.values()] for name, found in numbers.items()]
    said = (
        "One caller sends a JPEG of this size to the service and waits for the answer; faces are detected, or for an\n"
        "embedder detected and embedded. The CPU time is what it costs on any machine; the clock also counts what\n"
        "else ran: the load average at the end stands below. Models that are missing were not measured in that run."
    )
    return f"{table(head, rows)}\n{said}\n"


SECTIONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "model_latency": ("What latency to expect", latency),
    "request_cost": ("What a call costs by itself", cost),
    "serving_overhead": ("What of raw speed is left", overhead),
    "overload": ("More load than it can carry", overload),
    "peers": ("Beside other servers", peers),
    "recognition_index": ("Searching a gallery", search),
    "recognition_index_real": ("Searching real faces", search),
    "recognition_store": ("Registering, following, loading", store),
}


def page() -> str:
    """Write the page from all available results."""
    parts = [HEAD]
    for name, (title, show) in SECTIONS.items():
        file = RESULTS / f"{name}.json"
        if file.exists():
            result = json.loads(file.read_text())
            c = result["conditions"]
            packages = ", ".join(f"{package} {number}" for package, number in c["packages"].items())
            machine = f"{c['cores']} cores of {c['cpu']}"
            if name == "model_latency":
                load = c["load_average_at_end"][0]
                machine += f", load average {load}"
                if load > c["cores"]:
                    machine += " (a busy machine: believe the CPU time, and measure the clock on yours)"
            where = f"`{result['command']}`, {c['date']}, {machine}, Python {c['python']}, {packages}"
            parts.append(f"## {title}\n\n{show(result['numbers'])}\n{where}.\n")
    return "\n".join(parts)


def _show(cell: object) -> str:
    return "" if cell is None else str(cell)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(page())
    print(PAGE)
