"""Do runtimes rank networks alike, and do sums over pieces hold in each? One interleaved session.

    pip install 'plugnas[onnx,openvino,executorch]'
    OMP_NUM_THREADS=1 python experiments/benchmarks/runtimes.py HOME --parts ranks --rounds 40

`ranks`: 60 random networks of a space at 3x32x32, each timed in every runtime in every round, in
one random order; Kendall's tau between FLOPs and the runtimes, and of a runtime with itself (even
rounds against odd ones). `sums`: a latency table of these networks' pieces in each runtime, its
plain sums and what was fitted, on networks that were not fitted. `script`: the pieces of a small
space timed by the script for other machines, against the table of the search, each in a process of
its own. `tables`, `searches`, `fronts`: searches on digits under a limit in onnxruntime beside
searches under a limit in eager torch, each limit the median of random networks; both fronts
measured whole in onnxruntime. `export` writes the graphs of all of them. Graphs, tables and runs
stay in HOME, so that on a machine that is quiet for minutes only the timing is done then.
`--json FILE` keeps the figures; `--runtimes` names those of `ranks` and `sums`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from kept_graphs import kept

from plugnas import modules
from plugnas.nas.cost import NetworkCost
from plugnas.nas.job import config as jobs
from plugnas.nas.job_run import run_job
from plugnas.nas.latency import (
    LatencyTable,
    Settings,
    measure_architectures,
    measure_table,
)
from plugnas.nas.latency.anchors import NAMES
from plugnas.nas.latency.as_script import SCRIPT, write_script
from plugnas.nas.latency.figures import halves, kendall_tau, medians
from plugnas.nas.latency.measure import CHECKS, MAX_PIECES, beside
from plugnas.nas.latency.pieces import is_buildable, pieces_of_architectures, pieces_of_space
from plugnas.nas.latency.rounds import anchor_timers, load, run_rounds, threads_set
from plugnas.nas.latency.runtime import Timed, bare_timers, deploy_timers, make_timers
from plugnas.space import Architecture, SearchSpace

SPACE = {
    "stem": {"width": [8, 16]},
    "stages": [
        {"width": [8, 16], "depth": [1, 2]},
        {"width": [16, 32], "depth": [1, 2], "stride": 2},
        {"width": [32, 64], "depth": [1, 2], "stride": 2},
    ],
    "slots": {
        "operator": {
            "choices": ["conv", "depthwise_separable", "mbconv", "ghost", "pyconv"],
            "scope": "stage",
        },
        "attention": {
            "choices": ["none", "se", "eca", "cbam", "coord_attention"],
            "scope": "stage",
        },
        "activation": {"choices": ["relu", "hardswish"], "scope": "network"},
        "fusion": ["add"],
    },
}
RUNTIMES = {
    "torch": {"runtime": "torch"},
    "torch bfloat16": {"runtime": "torch", "dtype": "bfloat16"},
    "onnxruntime": {"runtime": "onnxruntime"},
    "openvino": {"runtime": "openvino"},
    "onnxruntime int8": {"runtime": "onnxruntime", "dtype": "int8"},
    "openvino int8": {"runtime": "openvino", "dtype": "int8"},
    "executorch": {"runtime": "executorch"},
    "executorch int8": {"runtime": "executorch", "dtype": "int8"},
}
ANY = 9.0  # the machine is taken as it is


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Say that something begins, and how long it took."""
    print(f"{what} ...", file=sys.stderr, flush=True)
    start = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


Runtimes = dict[str, dict[str, str]]


def ranks(
    space: SearchSpace, networks: list[Architecture], rounds: int, runtimes: Runtimes
) -> dict[str, Any]:
    """Time every network in every runtime, interleaved, and compare the rankings."""
    shape = space.parts(networks[0])[0].input_shape
    built = [Timed(modules.fuse(space.build(a)), [shape], a.id) for a in networks]
    timers, read = [], anchor_timers(Settings().conditions())
    for name, options in runtimes.items():
        with told(f"{name}: {len(built)} networks prepared"):
            timers += make_timers(built, Settings(**options).conditions())
    before = load()
    with threads_set(1), told("rounds"):
        samples = run_rounds(timers, read, rounds, np.random.default_rng(0))
    walls = samples.normalised(samples.anchor_medians)
    flops = NetworkCost(space).costs_of(networks)["flops"]
    count, figures, repeat = len(networks), {"FLOPs": flops}, {"FLOPs": 1.0}
    for i, name in enumerate(runtimes):
        own = walls[:, i * count : (i + 1) * count]
        figures[name], repeat[name] = medians(own), kendall_tau(*halves(own))
    tau = {a: {b: kendall_tau(figures[a], figures[b]) for b in figures} for a in figures}
    return {
        "networks": count, "rounds": rounds, "load": [before, load()], "tau": tau,
        "repeat": repeat, "ms": {name: values.tolist() for name, values in figures.items()},
    }  # fmt: skip


def sums(
    space: SearchSpace, networks: list[Architecture], rounds: int, runtimes: Runtimes
) -> dict[str, Any]:
    """Make a table of the networks' pieces in each runtime, and return its check."""
    found = {}
    for name, options in runtimes.items():
        settings = Settings(**options, rounds=rounds, limit=ANY)
        with told(f"{name}: table"):
            table = measure_table(space, settings, architectures=networks)
        found[name] = summary(table)
    return found


def summary(table: LatencyTable) -> dict[str, Any]:
    """Return what a table says of itself."""
    errors = [error for _, error in table.entries.values()]
    return {
        "runtime": table.conditions.runtime, "pieces": len(table.entries), "scale": table.scale,
        "factors": table.factors, "piece_error": float(np.median(errors)), "check": table.check,
    }  # fmt: skip


def small_space() -> SearchSpace:
    """Return the space of `script`: one stage, one width of the stem."""
    small = {**SPACE, "stages": SPACE["stages"][:1], "stem": {"width": 8}}
    return SearchSpace.from_config(
        jobs.parse({"data": "digits", "space": small}).space, (3, 32, 32), 10
    )


def small_table(rounds: int, output: Path) -> None:
    """Make the search's own table of the small space."""
    measure_table(small_space(), onnx_settings(rounds)).save(output)


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


def export(
    networks: list[Architecture], space: SearchSpace, home: Path, runtimes: Runtimes
) -> None:
    """Write the graphs of all parts, so that later only timing is left."""
    pieces = list(pieces_of_architectures(space, networks).values())
    wanted = [(space, networks, pieces, runtimes)]
    small, digits = small_space(), digits_space()
    onnx = {"onnxruntime": RUNTIMES["onnxruntime"]}
    for other in (small, digits):
        rng = np.random.default_rng(Settings().seed)
        conditions = onnx_settings(1).conditions()
        beside_all, _ = beside(other, None, conditions, CHECKS, rng)
        own = list(pieces_of_space(other, MAX_PIECES).values())
        wanted.insert(0, (other, beside_all, [p for p in own if is_buildable(p)], onnx))
    for own_space, members, own, named in wanted:
        shape = own_space.parts(members[0])[0].input_shape
        for name, options in named.items():
            if options["runtime"] == "torch":
                continue
            conditions = Settings(**options).conditions()
            with told(f"{name}: {len(members)} networks and {len(own)} pieces exported"):
                anchor_timers(conditions)
                bare_timers(conditions)
                deploy_timers(
                    [Timed(own_space.build(a), [shape], a.id) for a in members], conditions
                )
                deploy_timers([Timed(p.build(), p.input_shapes, p.key) for p in own], conditions)
    write_script(small, home / "pieces", onnx_settings(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--parts", default="export,ranks,sums,script,tables,searches,fronts")
    parser.add_argument("--runtimes", default="torch,onnxruntime,openvino,onnxruntime int8")
    parser.add_argument("--pairs", type=int, default=3, help="of `script`")
    parser.add_argument("--seeds", type=int, default=3, help="of `searches`")
    parser.add_argument("--table", type=Path, help="make one table of `script`, and nothing else")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.home.mkdir(parents=True, exist_ok=True)
    with kept(args.home / "graphs"):
        if args.table is not None:
            small_table(args.rounds, args.table)
        else:
            run(args)


def run(args: argparse.Namespace) -> None:
    """Run the parts, and keep the figures of each as soon as it is done."""
    job = jobs.parse({"data": "digits", "space": SPACE})
    space = SearchSpace.from_config(job.space, (3, 32, 32), 10)
    networks = space.architectures(space.sample_codes(args.networks, np.random.default_rng(0)))
    wanted = {name: RUNTIMES[name] for name in args.runtimes.split(",")}
    parts: dict[str, Callable[[], Any]] = {
        "export": lambda: export(networks, space, args.home, wanted),
        "ranks": lambda: ranks(space, networks, args.rounds, wanted),
        "sums": lambda: sums(space, networks, args.rounds, wanted),
        "script": lambda: script(args.rounds, args.home, args.pairs),
        "tables": lambda: tables(args.rounds, args.home),
        "searches": lambda: searches(args.home, args.seeds),
        "fronts": lambda: fronts(args.rounds, args.home, args.seeds),
    }
    found: dict[str, Any] = {}
    for part in args.parts.split(","):
        found[part] = parts[part]()
        if args.json is not None:
            args.json.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
