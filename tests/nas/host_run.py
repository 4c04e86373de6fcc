"""The run of a search on a host: a real host, a ledger by the real ledger, values by a formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from plugnas.nas.cost import NetworkCost
from plugnas.nas.job.config import parse
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.directory import Facts, RunDirectory
from plugnas.space import SearchSpace

HOST_FILE = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, num_classes: int = 10, width: int = 8) -> None:
        super().__init__()
        self.early = nn.Conv2d(1, width, 3, 2, 1)
        self.late = nn.Conv2d(width, width, 3, 1, 1)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.early(x).relu()
        y = y + self.late(y).relu()
        return self.fc(y.mean((2, 3)))
"""
CHOICES = ["none", {"se": {"reduction": 4}}, "eca", "simam", "scse"]
SITES = [{"after": path, "slot": "attention", "choices": CHOICES} for path in ("early", "late")]
GAINS = {("late", "se"): 0.2, ("early", "eca"): -0.1}


def make_host_run(path: Path, **changes: Any) -> RunDirectory:
    """Write the run of all 25 networks; `se` pays after `late`, by 20 points."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "small.py").write_text(HOST_FILE)
    asked = {
        "space": {"host": {"model": "small.py:Small"}, "sites": SITES},
        "data": "digits", "trials": 25, "executor": "serial", "device": "cpu",
        "proxy": {"rungs": [{"epochs": 1, "images": 64, "validation_images": 50}]},
    }  # fmt: skip
    job = parse({**asked, **changes})
    facts = Facts(
        base=str(path.parent), input_shape=(1, 8, 8), classes=[str(i) for i in range(10)],
        mean=[0.3], std=[0.37], data="0" * 12, device="cpu",
    )  # fmt: skip
    run = RunDirectory.claim(path, job, facts)
    run.path.mkdir(parents=True, exist_ok=True)
    run.write()
    alive = SearchSpace.from_config(job.space, (1, 8, 8), 10, base=path.parent)
    counted = NetworkCost(alive).host_counts()
    counts = {n: getattr(counted, n) for n in ("params", "macs", "elementwise", "memory")}
    run.keep_host(msgspec.structs.replace(alive.host.trace, counts=counts))
    space = run.space()
    cost, rng = NetworkCost(space), np.random.default_rng(0)
    architectures = [a for codes in space.enumerate() for a in space.architectures(codes)]
    with Ledger.open(run.ledger, space, cost=cost) as ledger:
        for number, architecture in enumerate(architectures):
            ledger.append(_measured(number, architecture, cost, rng))
    return run


def _measured(number: int, architecture: Any, cost: Any, rng: Any) -> Measurement:
    held = {(n.split(".")[1], v) for n, v in architecture.values.items() if n.endswith("attention")}
    value = 0.6 + sum(gain for cell, gain in GAINS.items() if cell in held) + 0.01 * rng.normal()
    plugs = [f"{where}-attention" for where, choice in held if choice != "none"]
    gates = {"gates": {name: [0.25, 0.5] for name in sorted(plugs)}} if plugs else {}
    return Measurement(
        number=number, architecture=architecture, rung=0, seed=0, status="ok",
        values={"accuracy": value}, costs=cost.cost(architecture), signal=value, curve=(),
        seconds=1.0, cpu_seconds=0.9, worker="serial testhost 1", extra=gates,
    )  # fmt: skip
