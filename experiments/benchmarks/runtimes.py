"""Do runtimes rank networks alike, and do sums over pieces hold in each? One interleaved session.

    pip install 'plugnas[onnx,openvino,executorch]'
    OMP_NUM_THREADS=1 python experiments/benchmarks/runtimes.py [--networks 60] [--rounds 20]

Part 1: 60 random networks of a space at 3x32x32, each timed in every runtime in every round, in one
random order; Kendall's tau between FLOPs and the runtimes, and of a runtime with itself (even
rounds against odd ones). Part 2: a latency table of these networks' pieces in each runtime, its
plain sums and what was fitted, on networks that were not fitted. Part 3: the same pieces timed by
the script for other machines, against the table of the search. Part 4: a search on digits under a
limit in onnxruntime beside one under a limit in eager torch, each limit the median of random
networks; both fronts measured whole in onnxruntime. `--json FILE` keeps the figures; `--runtimes`
leaves some out of parts 1 and 2.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from plugnas import modules
from plugnas.nas.cost import NetworkCost
from plugnas.nas.graph import onnx_graph
from plugnas.nas.job import config as jobs
from plugnas.nas.job_run import run_job
from plugnas.nas.latency import (
    LatencyTable,
    Settings,
    graph_timers,
    measure_architectures,
    measure_table,
)
from plugnas.nas.latency.anchors import NAMES
from plugnas.nas.latency.as_script import SCRIPT, write_script
from plugnas.nas.latency.figures import halves, kendall_tau, medians
from plugnas.nas.latency.rounds import anchor_timers, load, run_rounds, threads_set
from plugnas.nas.latency.runtime import Timed, make_timers
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
    "onnxruntime": {"runtime": "onnxruntime"},
    "openvino": {"runtime": "openvino"},
    "onnxruntime int8": {"runtime": "onnxruntime", "dtype": "int8"},
    "executorch": {"runtime": "executorch"},
}
ANY = 9.0  # the machine is taken as it is


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Say that something begins, and how long it took."""
    print(f"{what} ...", file=sys.stderr, flush=True)
    start = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


@contextlib.contextmanager
def exported_once() -> Iterator[None]:
    """Keep the graphs of networks from one runtime to the next: each takes seconds to export."""

    def graphs(members: Sequence[nn.Module], examples: Sequence[Sequence[Tensor]]) -> list[bytes]:
        for module, example in zip(members, examples, strict=True):
            if module not in _GRAPHS:
                _GRAPHS[module] = onnx_graph.graphs([module], [example])[0]
        return [_GRAPHS[module] for module in members]

    graph_timers.graphs = graphs
    try:
        yield
    finally:
        graph_timers.graphs = onnx_graph.graphs


_GRAPHS: dict[nn.Module, bytes] = {}
Runtimes = dict[str, dict[str, str]]


def ranks(
    space: SearchSpace, networks: list[Architecture], rounds: int, runtimes: Runtimes
) -> dict[str, Any]:
    """Time every network in every runtime, interleaved, and compare the rankings."""
    shape = space.parts(networks[0])[0].input_shape
    built = [Timed(modules.fuse(space.build(a)), [shape], a.id) for a in networks]
    timers, read = [], anchor_timers(Settings().conditions())
    for name, options in runtimes.items():
        with told(f"{name}: {len(built)} networks prepared"), exported_once():
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


def script(rounds: int) -> dict[str, Any]:
    """Time a small space's pieces by search and by script, twice in turn, and compare."""
    small = {**SPACE, "stages": SPACE["stages"][:1], "stem": {"width": 8}}
    job = jobs.parse({"data": "digits", "space": small})
    space = SearchSpace.from_config(job.space, (3, 32, 32), 10)
    settings = Settings(runtime="onnxruntime", rounds=rounds, limit=ANY)
    tables: dict[str, list[LatencyTable]] = {"search": [], "script": []}
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "pieces"
        with told("script written"):
            write_script(space, folder, settings)
        for _ in range(2):
            with told("search and script"):
                tables["search"].append(measure_table(space, settings))
                command = [sys.executable, "-I", str(folder / SCRIPT), "--limit", str(ANY)]
                output = Path(home) / "table.json"
                subprocess.run([*command, "-o", str(output)], check=True, capture_output=True)
                tables["script"].append(LatencyTable.load(output))
    drawn = space.architectures(space.sample_codes(60, np.random.default_rng(1)))

    def predicted(table: LatencyTable) -> np.ndarray:
        return np.array([table.predict(space.parts(a)) for a in drawn])

    def apart(one: LatencyTable, other: LatencyTable) -> dict[str, Any]:
        a, b = predicted(one), predicted(other)
        drift = np.exp(np.median([np.log(one.anchors[n] / other.anchors[n]) for n in NAMES]))
        return {
            "mean": float(np.abs(a / b - 1).mean()), "drift of the anchors": float(drift),
            "mean at equal anchors": float(np.abs(a / b / drift - 1).mean()),
            "tau": kendall_tau(a, b),
        }  # fmt: skip

    first, second = tables["search"]
    return {
        "pieces": len(first.entries),
        "stated": {k: [t.check["mean_error"] for t in v] for k, v in tables.items()},
        "search and script": [apart(a, b) for a in tables["search"] for b in tables["script"]],
        "search and search": apart(first, second),
        "script and script": apart(*tables["script"]),
    }


def fronts(rounds: int, seeds: int = 1, trials: int = 30) -> dict[str, Any]:
    """Search under a limit in each runtime; measure both fronts in onnxruntime."""
    found: dict[str, Any] = {}
    for seed in range(seeds):
        members: dict[str, dict[str, Architecture]] = {}
        accuracy: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as home:
            for name in ("onnxruntime", "torch"):
                job = {
                    "data": "digits", "space": SPACE, "seed": seed, "trials": trials,
                    "objectives": {"accuracy": "max", "latency_ms": "min"}, "executor": "serial",
                    "latency": {"runtime": name, "table": f"{name}.json"},
                }  # fmt: skip
                space = SearchSpace.from_config(jobs.parse(job).space, (1, 8, 8), 10)
                settings = Settings(runtime=name, rounds=rounds, limit=ANY)
                with told(f"{name}: table of the search"):
                    table = measure_table(space, settings)
                table.save(Path(home) / f"{name}.json")
                drawn = space.architectures(space.sample_codes(200, np.random.default_rng(seed)))
                limit = float(np.median([table.predict(space.parts(a)) for a in drawn]))
                job["budget"] = {"latency_ms": limit}
                with told(f"{name}: search"):
                    view = run_job(jobs.parse(job), Path(home), Path(home) / f"run-{name}")
                members[name] = {m.id: m.architecture for m in view.front}
                accuracy |= {m.id: m.values["accuracy"] for m in view.front}
                found.setdefault("limits", []).append([name, seed, limit])
                found.setdefault("tables", []).append(summary(table))
            every = {**members["torch"], **members["onnxruntime"]}
            settings = Settings(runtime="onnxruntime", rounds=3 * rounds, limit=ANY)
            with told("both fronts measured"):
                report = measure_architectures(space, list(every.values()), settings)
        ms = {figure.name: figure.ms for figure in report.figures}
        found[f"seed {seed}"] = {
            name: sorted([accuracy[i], ms[i], i] for i in own) for name, own in members.items()
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--parts", default="ranks,sums,script,fronts")
    parser.add_argument("--runtimes", default=",".join(RUNTIMES))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    job = jobs.parse({"data": "digits", "space": SPACE})
    space = SearchSpace.from_config(job.space, (3, 32, 32), 10)
    networks = space.architectures(space.sample_codes(args.networks, np.random.default_rng(0)))
    wanted = {name: RUNTIMES[name] for name in args.runtimes.split(",")}
    found: dict[str, Any] = {}
    for part in args.parts.split(","):
        if part in ("script", "fronts"):
            found[part] = {"script": script, "fronts": fronts}[part](args.rounds)
        else:
            measure = {"ranks": ranks, "sums": sums}[part]
            found[part] = measure(space, networks, args.rounds, wanted)
        if args.json is not None:
            args.json.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
