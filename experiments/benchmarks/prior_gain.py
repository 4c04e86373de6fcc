"""Does the prior on modules help a search on images that it does not know?

    python experiments/benchmarks/prior_gain.py digits=runs/backbone_digits steel=... \
        --out FILE.jsonl

SET=RUN,RUN are directories of searches of networks of our own on a set of the table of modules
(experiments/evidence.py): ``digits``, ``cifar10``, ``signs`` or ``steel``; or for ``digits`` the
file ``experiments/records/digits_table.json``, all networks of a small space. The effects are
fitted to the trainings on the other sets alone, and the predictor searches among the networks that
the runs trained, twice with the same seed: without a prior and with it. Hypervolume is that of
recorded accuracy over the logarithm of FLOPs, in percent of all networks'; *best* is the best
accuracy found, in percent of the way from the median network to the best. ``--out`` is gone on
with.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import plugnas
from experiments.benchmarks import search_tables
from experiments.prior import RECORD, prior, trainings
from plugnas.nas.cost import FunctionCost
from plugnas.nas.front.pareto import hypervolume
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.known.prior import Effects, prior_of
from plugnas.space import Architecture, SearchSpace

Doubles = NDArray[np.float64]
MARKS = (10, 25, 50)


class Recorded:
    """A space of which only some architectures can be had; all else is that of the whole one."""

    def __init__(self, space: SearchSpace, codes: NDArray[np.int16]) -> None:
        self._space, self._codes, self.size = space, codes, len(codes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def enumerate(self) -> Iterator[NDArray[np.int16]]:
        """Yield the codes of all."""
        yield self._codes

    def sample_codes(self, count: int, rng: np.random.Generator, *odds: Any) -> NDArray[np.int16]:
        """Return random ones of them."""
        return self._codes[rng.integers(len(self._codes), size=count)]


@dataclass
class Trained:
    """Networks that were trained on one set of images: mean accuracy and FLOPs by id."""

    space: Any
    accuracy: dict[str, float]
    flops: dict[str, float]

    @classmethod
    def of(cls, runs: Sequence[Path]) -> Trained:
        """Read runs of one space, or the table of digits."""
        if runs[0].suffix == ".json":
            table = search_tables.digits(runs[0])
            accuracy = dict(zip(table.ids, table.accuracy.tolist(), strict=True))
            return cls(
                table.space, accuracy, dict(zip(table.ids, table.flops.tolist(), strict=True))
            )
        views = [plugnas.open(run) for run in runs]
        values: dict[str, list[float]] = {}
        networks: dict[str, Architecture] = {}
        flops = {}
        for view in views:
            for m in view.measurements:
                if m.ok and m.rung == view.top_rung:
                    networks[m.architecture.id] = m.architecture
                    values.setdefault(m.architecture.id, []).append(m.values["accuracy"])
                    flops[m.architecture.id] = m.costs["flops"]
        space = views[0].space
        codes = space.codes(list(networks.values()))
        mean = {name: float(np.mean(found)) for name, found in values.items()}
        return cls(Recorded(space, codes), mean, flops)

    def problem(self, seed: int) -> Problem:
        """Return accuracy against FLOPs among these networks."""
        cost = FunctionCost(lambda a: {"flops": self.flops[a.id]}, ["flops"], self.space)
        return Problem(self.space, {"accuracy": "max", "flops": "min"}, cost=cost, seed=seed)

    def shares(self, asked: Sequence[Architecture]) -> list[float]:
        """Return hypervolume, then the best accuracy, in percent at the marks."""
        names = list(self.accuracy)
        high, low = max(self.accuracy.values()), min(self.accuracy.values())
        logs = {name: float(np.log(flops)) for name, flops in self.flops.items()}
        least, most = min(logs.values()), max(logs.values())
        middle = float(np.median(list(self.accuracy.values())))

        def volume(some: Sequence[str]) -> float:
            error = [(high - self.accuracy[n]) / (high - low) for n in some]
            load = [(logs[n] - least) / (most - least) for n in some]
            return hypervolume(np.array([error, load]).T, (1.0, 1.1), ("min", "min"))

        found = [a.id for a in asked]
        whole = volume(names)
        volumes = [100 * volume(found[:mark]) / whole for mark in MARKS]
        best = [max(self.accuracy[n] for n in found[:mark]) for mark in MARKS]
        return volumes + [100 * (b - middle) / (high - middle) for b in best]


def search(trained: Trained, seed: int, known: Effects | None) -> list[Architecture]:
    """Return what the predictor asked for, in order; ``known`` None: without a prior."""
    problem = trained.problem(seed)
    if known is not None:
        problem = replace(problem, hints=prior_of(problem, known))
    sampler = create("predictor", problem)
    asked = []
    for number in range(min(max(MARKS), trained.space.size)):
        asked.append(sampler.ask(number))
        values = {"accuracy": trained.accuracy[asked[-1].id]}
        sampler.tell(Measurement(number, asked[-1], 0, 0, "ok", values))
    return asked


def measure(arguments: argparse.Namespace) -> None:
    """Measure what the file lacks."""
    done = set()
    if arguments.out.exists():
        lines = [json.loads(line) for line in arguments.out.read_text().splitlines()]
        done = {(line["set"], line["kind"], line["seed"]) for line in lines}
    for named in arguments.runs:
        images, runs = named.split("=", 1)
        trained = Trained.of([Path(run) for run in runs.split(",")])
        known = msgspec.convert(prior(trainings("backbone", RECORD, images)), Effects)
        for seed in range(arguments.seeds):
            for kind, effects in (("none", None), ("prior", known)):
                if (images, kind, seed) in done:
                    continue
                began = time.process_time()
                found = trained.shares(search(trained, seed, effects))
                line = {"set": images, "kind": kind, "seed": seed, "of": trained.space.size}
                line |= {"shares": found, "seconds": time.process_time() - began}
                with arguments.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")


def show(path: Path) -> None:
    """Print the file as a table in Markdown: mean of the seeds, gain with its standard error."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    head = [f"{kind} at {mark}" for kind in ("HV", "best") for mark in MARKS]
    print("| left out | networks | seeds | |", " | ".join(head), "|")
    print("|---" * (len(head) + 4) + "|")
    for images in dict.fromkeys(line["set"] for line in lines):
        found = [line for line in lines if line["set"] == images]
        rows = {
            kind: {line["seed"]: np.array(line["shares"]) for line in found if line["kind"] == kind}
            for kind in ("none", "prior")
        }
        seeds = sorted(set(rows["none"]) & set(rows["prior"]))
        without, with_it = (np.array([row[s] for s in seeds]) for row in rows.values())
        gain = with_it - without
        error = gain.std(axis=0, ddof=1) / np.sqrt(len(seeds))
        told = {"`none`": without.mean(axis=0), "`default`": with_it.mean(axis=0)}
        start = f"| {images} | {found[0]['of']} | {len(seeds)} |"
        for kind, row in told.items():
            print(start, kind, "|", " | ".join(f"{v:.1f}" for v in row), "|")
        cells = [f"{g:+.1f} ± {e:.1f}" for g, e in zip(gain.mean(axis=0), error, strict=True)]
        print(start, "gain |", " | ".join(cells), "|")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", metavar="SET=RUN,RUN")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    measure(arguments)
    show(arguments.out)


if __name__ == "__main__":
    main()
