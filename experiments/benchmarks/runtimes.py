"""Do runtimes rank networks alike, and do sums over pieces hold in each? One interleaved session.

    pip install 'plugnas[onnx,openvino,executorch]'
    OMP_NUM_THREADS=1 python experiments/benchmarks/runtimes.py HOME --parts ranks --rounds 40

`ranks`: 60 random networks of a space at 3x32x32, each timed in every runtime in every round, in
one random order; Kendall's tau between FLOPs and the runtimes, and of a runtime with itself (even
rounds against odd ones). `sums`: a latency table of these networks' pieces in each runtime, its
plain sums and what was fitted, on networks that were not fitted. `export` writes the graphs of
both; they stay in HOME, so that on a machine that is quiet for minutes only the timing is done
then. `--json FILE` keeps the figures; `--runtimes` names the runtimes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from kept_graphs import kept

from plugnas import modules
from plugnas.nas.cost import NetworkCost
from plugnas.nas.job import config as jobs
from plugnas.nas.latency import (
    LatencyTable,
    Settings,
    measure_table,
)
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.figures import halves, kendall_tau, medians
from plugnas.nas.latency.pieces import pieces_of_architectures
from plugnas.nas.latency.rounds import anchor_timers, load, run_rounds, threads_set
from plugnas.nas.latency.runtime import Timed, bare_timers, deploy_timers, make_timers
from plugnas.space import Architecture, SearchSpace
from plugnas.space.piece import Piece

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


def export(networks: list[Architecture], space: SearchSpace, runtimes: Runtimes) -> None:
    """Write the graphs of `ranks` and `sums`, so that later only timing is left."""
    pieces = list(pieces_of_architectures(space, networks).values())
    for name, options in runtimes.items():
        if options["runtime"] != "torch":
            export_these(space, networks, pieces, Settings(**options).conditions(), name)


def export_these(
    space: SearchSpace,
    networks: list[Architecture],
    pieces: list[Piece],
    conditions: Conditions,
    name: str,
) -> None:
    shape = space.parts(networks[0])[0].input_shape
    with told(f"{name}: {len(networks)} networks and {len(pieces)} pieces exported"):
        anchor_timers(conditions)
        bare_timers(conditions)
        deploy_timers([Timed(space.build(a), [shape], a.id) for a in networks], conditions)
        deploy_timers([Timed(p.build(), p.input_shapes, p.key) for p in pieces], conditions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--parts", default="ranks,sums")
    parser.add_argument("--runtimes", default="torch,onnxruntime,openvino,onnxruntime int8")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    space = SearchSpace.from_config(
        jobs.parse({"data": "digits", "space": SPACE}).space, (3, 32, 32), 10
    )
    networks = space.architectures(space.sample_codes(args.networks, np.random.default_rng(0)))
    wanted = {name: RUNTIMES[name] for name in args.runtimes.split(",")}
    parts: dict[str, Callable[[], Any]] = {
        "export": lambda: export(networks, space, wanted),
        "ranks": lambda: ranks(space, networks, args.rounds, wanted),
        "sums": lambda: sums(space, networks, args.rounds, wanted),
    }
    with kept(args.home / "graphs"):
        run_parts({name: parts[name] for name in args.parts.split(",")}, args.json)


def run_parts(parts: Mapping[str, Callable[[], Any]], file: Path | None) -> None:
    """Run the parts, and keep the figures of each as soon as it is done."""
    found: dict[str, Any] = {}
    for name, part in parts.items():
        found[name] = part()
        if file is not None:
            file.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
