"""Tables of a runtime in use: made by search and by script, and as the limit of a search.

    OMP_NUM_THREADS=1 python experiments/benchmarks/runtime_limits.py HOME --rounds 60

`script`: the pieces of a small space timed by the script for other machines, against the table of
the search, each in a process of its own. `tables`, `searches`, `fronts`: searches on digits under a
limit in onnxruntime beside searches under a limit in eager torch, each limit the median of random
networks; both fronts measured whole in onnxruntime. `export` writes the graphs; these, tables and
runs stay in HOME, so that on a machine that is quiet for minutes only the timing is done then.
`--json FILE` keeps the figures.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from kept_graphs import kept
from runtimes import ANY, SPACE, export_these, run_parts, summary, told

from plugnas.nas.job import config as jobs
from plugnas.nas.job_run import run_job
from plugnas.nas.latency import LatencyTable, Settings, measure_architectures, measure_table
from plugnas.nas.latency.anchors import NAMES
from plugnas.nas.latency.as_script import SCRIPT, write_script
from plugnas.nas.latency.figures import kendall_tau
from plugnas.nas.latency.measure import CHECKS, MAX_PIECES, beside
from plugnas.nas.latency.pieces import is_buildable, pieces_of_space
from plugnas.space import SearchSpace


def small_space() -> SearchSpace:
    """Return the space of `script`: one stage, one width of the stem."""
    small = {**SPACE, "stages": SPACE["stages"][:1], "stem": {"width": 8}}
    return SearchSpace.from_config(
        jobs.parse({"data": "digits", "space": small}).space, (3, 32, 32), 10
    )


def onnx_settings(rounds: int) -> Settings:
    """Return how latency is taken in onnxruntime, on the machine as it is."""
    return Settings(runtime="onnxruntime", rounds=rounds, limit=ANY)


def script(rounds: int, home: Path, pairs: int) -> dict[str, Any]:
    """Time a small space's pieces by search and by script, in turn, and compare."""
    space, folder = small_space(), home / "pieces"
    if not folder.exists():
        with told("script written"):
            write_script(space, folder, onnx_settings(rounds))
    tables: dict[str, list[LatencyTable]] = {"search": [], "script": []}
    by_search = [sys.executable, __file__, str(home), "--rounds", str(rounds), "--table"]
    by_script = [sys.executable, "-I", str(folder / SCRIPT), "--rounds", str(rounds)]
    by_script += ["--limit", str(ANY), "-o"]
    for i in range(pairs):
        for kind, command in {"search": by_search, "script": by_script}.items():
            output = home / f"{kind}{i}.json"
            with told(output.name):
                subprocess.run([*command, str(output)], check=True, capture_output=True)
            tables[kind].append(LatencyTable.load(output))
    drawn = space.architectures(space.sample_codes(60, np.random.default_rng(1)))

    def predicted(table: LatencyTable) -> np.ndarray:
        return np.array([table.predict(space.parts(a)) for a in drawn])

    def apart(one: LatencyTable, other: LatencyTable) -> dict[str, Any]:
        a, b = predicted(one), predicted(other)
        drift = np.exp(np.median([np.log(one.anchors[n] / other.anchors[n]) for n in NAMES]))
        stated = np.hypot(one.check["mean_error"], other.check["mean_error"])
        return {
            "mean": float(np.abs(a / b - 1).mean()), "stated": float(stated),
            "bias": float(np.median(a / b) - 1), "drift of the anchors": float(drift),
            "mean at equal anchors": float(np.abs(a / b / drift - 1).mean()),
            "tau": kendall_tau(a, b),
        }  # fmt: skip

    return {
        "pieces": len(tables["search"][0].entries),
        "stated": {k: [t.check["mean_error"] for t in v] for k, v in tables.items()},
        "load": {k: [t.check["load"] for t in v] for k, v in tables.items()},
        "search and script": [apart(a, b) for a in tables["search"] for b in tables["script"]],
        "search and search": [apart(a, b) for a, b in itertools.combinations(tables["search"], 2)],
        "script and script": [apart(a, b) for a, b in itertools.combinations(tables["script"], 2)],
    }


LIMITED = ("onnxruntime", "torch")  # by what the searches of `searches` are limited


def digits_space() -> SearchSpace:
    """Return the space of `searches`."""
    return SearchSpace.from_config(
        jobs.parse({"data": "digits", "space": SPACE}).space, (1, 8, 8), 10
    )


def tables(rounds: int, home: Path) -> dict[str, Any]:
    """Make the tables of the searches."""
    found = {}
    for name in LIMITED:
        with told(f"{name}: table of the searches"):
            settings = Settings(runtime=name, rounds=rounds, limit=ANY)
            table = measure_table(digits_space(), settings)
        table.save(home / f"{name}.json")
        found[name] = summary(table)
    return found


def limited_job(home: Path, name: str, seed: int) -> dict[str, Any]:
    """Return a job of `searches`: its limit is the median of random networks by its own table."""
    space, table = digits_space(), LatencyTable.load(home / f"{name}.json")
    drawn = space.architectures(space.sample_codes(200, np.random.default_rng(0)))
    limit = float(np.median([table.predict(space.parts(a)) for a in drawn]))
    return {
        "data": "digits", "space": SPACE, "seed": seed, "trials": 30, "executor": "serial",
        "objectives": {"accuracy": "max", "latency_ms": "min"}, "budget": {"latency_ms": limit},
        "latency": {"runtime": name, "table": f"{name}.json"},
    }  # fmt: skip


def searches(home: Path, seeds: int) -> dict[str, Any]:
    """Search with each limit and seed; a search that was interrupted goes on."""
    found: dict[str, Any] = {}
    for seed in range(seeds):
        for name in LIMITED:
            job = limited_job(home, name, seed)
            with told(f"{name}, seed {seed}: search"):
                view = run_job(jobs.parse(job), home, home / f"{name}-{seed}")
            found[f"{name} {seed}"] = {
                "limit": job["budget"]["latency_ms"], "front": len(view.front),
            }  # fmt: skip
    return found


def fronts(rounds: int, home: Path, seeds: int) -> dict[str, Any]:
    """Measure the fronts of all searches whole in onnxruntime, in one session."""
    space, found = digits_space(), {}
    members: dict[str, list[Any]] = {}
    for seed in range(seeds):
        for name in LIMITED:
            job = jobs.parse(limited_job(home, name, seed))
            members[f"{name} {seed}"] = list(run_job(job, home, home / f"{name}-{seed}").front)
    every = {m.id: m.architecture for front in members.values() for m in front}
    with told("fronts measured"):
        report = measure_architectures(space, list(every.values()), onnx_settings(rounds))
    for search, front in members.items():
        found[search] = sorted([m.values["accuracy"], report[m.id].ms, m.id] for m in front)
    worst = max(figure.error for figure in report.figures)
    return {"load": report.load, "worst error": worst, "fronts": found}


def export(home: Path) -> None:
    """Write the graphs of `script` and `tables`."""
    for space in (small_space(), digits_space()):
        conditions = onnx_settings(1).conditions()
        rng = np.random.default_rng(Settings().seed)
        networks, _ = beside(space, None, conditions, CHECKS, rng)
        every = pieces_of_space(space, MAX_PIECES).values()
        export_these(space, networks, list(filter(is_buildable, every)), conditions, "onnxruntime")
    write_script(small_space(), home / "pieces", onnx_settings(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--parts", default="script,tables,searches,fronts")
    parser.add_argument("--pairs", type=int, default=3, help="of `script`")
    parser.add_argument("--seeds", type=int, default=3, help="of `searches`")
    parser.add_argument("--table", type=Path, help="make one table of `script`, and nothing else")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    parts: dict[str, Callable[[], Any]] = {
        "export": lambda: export(args.home),
        "script": lambda: script(args.rounds, args.home, args.pairs),
        "tables": lambda: tables(args.rounds, args.home),
        "searches": lambda: searches(args.home, args.seeds),
        "fronts": lambda: fronts(args.rounds, args.home, args.seeds),
    }
    with kept(args.home / "graphs"):
        if args.table is not None:
            measure_table(small_space(), onnx_settings(args.rounds)).save(args.table)
        else:
            run_parts({name: parts[name] for name in args.parts.split(",")}, args.json)


if __name__ == "__main__":
    main()
