"""Compares what `nas plan` predicts with what the search then takes, job by job.

    OMP_NUM_THREADS=1 python experiments/plan_record.py experiments/records/plan.json JOB.yaml ...

Each job is planned and then searched in a fresh folder, both in processes of their own. Compared
are the processor's seconds of all trainings, which other work on the machine hardly changes, and
the seconds of the clock from start to end, which it changes much. Without jobs the record is
printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from plugnas.nas.run.view import open_run


def main() -> None:
    """Plan and search what is not recorded yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("record", type=Path)
    parser.add_argument("jobs", type=Path, nargs="*")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if arguments.record.exists():
        rows = json.loads(arguments.record.read_text())
    for job in arguments.jobs:
        if all(row["job"] != job.stem for row in rows):
            rows.append(_compared(job))
            arguments.record.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def _compared(job: Path) -> dict[str, Any]:
    said = _nas("plan", str(job), "--json")
    planned = json.loads(said.stdout)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        _nas("search", str(job), "--run-dir", f"{folder}/run")
        clock = time.perf_counter() - begun
        view = open_run(f"{folder}/run")
        processor = sum(m.cpu_seconds for m in view.measurements)
        by_rung = [
            sum(m.rung == r for m in view.measurements) for r in range(len(planned["rungs"]))
        ]
    return {
        "job": job.stem,
        "date": time.strftime("%Y-%m-%d"),
        "trials": planned["trials"],
        "workers": planned["workers"],
        "trainings_planned": [r["count"] for r in planned["rungs"]],
        "trainings": by_rung,
        "processor_planned": sum(r["count"] * r["mean"] + r["once"] for r in planned["rungs"]),
        "processor": processor,
        "clock_planned": planned["seconds"],
        "clock": clock,
        "slow": planned["slow"],
    }


def _nas(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "plugnas", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the record as a table in Markdown."""
    lines = [
        "| job | trainings by rung, planned | made | processor s, planned | taken | off by | "
        "clock s, planned | taken | off by | slowed by other work |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        off = [
            f"{100 * (row[f'{name}_planned'] / row[name] - 1):+.0f} %"
            for name in ("processor", "clock")
        ]
        lines.append(
            f"| {row['job']} | {', '.join(map(str, row['trainings_planned']))} | "
            f"{', '.join(map(str, row['trainings']))} | {row['processor_planned']:.0f} | "
            f"{row['processor']:.0f} | {off[0]} | {row['clock_planned']:.0f} | {row['clock']:.0f} "
            f"| {off[1]} | {row['slow']:.1f} times |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
