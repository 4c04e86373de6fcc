"""A run directory with a ledger written by the real ledger, its accuracies by a known formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from plugnas.nas.cost import NetworkCost
from plugnas.nas.job.config import Job, parse
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.directory import Facts, RunDirectory
from plugnas.space import Architecture, SearchSpace

SPACE = {
    "stem": {"width": [8, 16]},
    "stages": [
        {"width": [8, 16, 24], "depth": [1, 2]},
        {"width": [16, 32, 48], "depth": [1, 2], "stride": 2},
    ],
    "slots": {
        "operator": ["conv", "depthwise_separable", {"mbconv": {"expansion": [3, 6]}}],
        "attention": ["none", {"se": {"reduction": [4, 8]}}, "eca", "simam"],
        "fusion": ["add", "aff"],
    },
    "context": ["none", "strip_pooling"],
}
EFFECTS = {"eca": 0.35, "simam": -0.30, "aff": 0.0}  # on the logit, per block


def job(**changes: Any) -> Job:
    """The job of the run."""
    data = {
        "space": SPACE,
        "data": "digits",
        "budget": {"flops": "2M"},
        "proxy": {"rungs": [{"epochs": 4}]},
        "trials": 60,
    }
    return parse({**data, **changes})


def accuracy(
    architecture: Architecture, costs: Mapping[str, float], rng: np.random.Generator
) -> float:
    """The formula: logit rises with log FLOPs, and by each block's attention."""
    logit = 1.2 + 1.1 * math.log10(costs["flops"] / 2e4)
    for name, value in architecture.values.items():
        if name.endswith("attention"):
            logit += EFFECTS.get(str(value), 0.0)
    value = 1 / (1 + math.exp(-logit - 0.15 * rng.normal()))
    return round(500 * value) / 500  # as 500 images tell it


def curve(final: float, epochs: int = 4) -> tuple[dict[str, float], ...]:
    """A plausible course of training."""
    points = []
    for epoch in range(1, epochs + 1):
        share = epoch / epochs
        points.append(
            {
                "epoch": epoch,
                "train_loss": 2.3 * (1 - share) + 3 * (1 - final) * share,
                "train_accuracy": 0.1 + (final - 0.1) * share,
            }
        )
    points[-1] |= {"accuracy": final, "loss": 3 * (1 - final)}
    return tuple(points)


def make_run(path: Path, *, trials: int = 60, seed: int = 0, **changes: Any) -> RunDirectory:
    """Write job.yaml and ledger.jsonl of a search by an elitist sampler, with two failures."""
    asked = job(trials=trials, **changes)
    facts = Facts(
        base=str(path.parent),
        input_shape=(1, 8, 8),
        classes=[str(i) for i in range(10)],
        mean=[0.3],
        std=[0.37],
        data="0" * 12,
        device="cpu",
        host="testhost",
        versions={"python": "3.11", "torch": "2.15"},
    )
    run = RunDirectory.claim(path, asked, facts)
    run.path.mkdir(parents=True, exist_ok=True)
    run.write()
    space = run.space()
    cost = NetworkCost(space)
    about = {"objectives": dict(asked.objectives), "budget": asked.limits, "trials": trials}
    with Ledger.open(run.ledger, space, cost=cost, about=about) as ledger:
        _fill(ledger, space, cost, asked, trials, np.random.default_rng(seed))
    return run


def _fill(
    ledger: Ledger,
    space: SearchSpace,
    cost: NetworkCost,
    asked: Job,
    trials: int,
    rng: np.random.Generator,
) -> None:
    seen: dict[str, float] = {}
    parents: list[Architecture] = []
    number = 0
    while number < trials:
        if parents and rng.random() < 0.6:
            best = max(parents[-20:], key=lambda a: seen[a.id])
            architecture = space.architectures(space.mutate_codes(space.codes([best]), rng))[0]
        else:
            architecture = space.sample(rng)
        costs = cost.cost(architecture)
        if architecture.id in seen or any(costs[n] > v for n, v in asked.limits.items()):
            continue
        failed = number % 23 == 11
        value = accuracy(architecture, costs, rng)
        seen[architecture.id] = value
        if not failed:
            parents.append(architecture)
        ledger.append(
            Measurement(
                number=number,
                architecture=architecture,
                rung=0,
                seed=0,
                status="failed" if failed else "ok",
                values={} if failed else {"accuracy": value},
                costs=costs,
                signal=None if failed else -3 * (1 - value),
                curve=() if failed else curve(value),
                seconds=1.0,
                cpu_seconds=0.9,
                reason="diverged: the training loss was no finite number" if failed else None,
                worker="serial testhost 1",
            )
        )
        number += 1
