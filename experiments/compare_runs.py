"""Compares runs of one job with each other and with fixed networks, by confirmed accuracy.

    python experiments/compare_runs.py runs/cifar10 runs/cifar10-random runs/cifar10-tpe

Every run must have been confirmed (``nas confirm``) by the same recipe; ``fixed.json`` of
``fixed_networks.py`` is read from the first. Prints Markdown: what each found within halves of the
budget, the hypervolume of what it reported, and whether the first run's front dominates the rest.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plugnas.nas.confirm.outcome import read
from plugnas.nas.front.box import Box
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView

COSTS = {"flops": (1e6, "MFLOPs"), "latency_ms": (1.0, "ms")}  # what a unit holds, and its name


@dataclass(frozen=True)
class Network:
    """One network trained long: mean test accuracy and standard deviation over seeds."""

    name: str
    cost: float  # in the unit of COSTS
    unit: str
    mean: float
    std: float
    n: int

    def __str__(self) -> str:
        accuracy = f"{100 * self.mean:.1f} ± {100 * self.std:.1f} %"
        return f"{accuracy} at {self.cost:.3g} {self.unit} ({self.name})"


def main() -> None:
    """Print the comparison of confirmed runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    views = [RunView.open(RunDirectory.read(path)) for path in arguments.runs]
    cost = next(name for name in COSTS if name in views[0].run.job.limits)
    limit = views[0].run.job.limits[cost] / COSTS[cost][0]
    found = {view.run.path.name: _confirmed(view, cost) for view in views}
    fixed = _fixed(arguments.runs[0] / "fixed.json", cost)
    _by_budget(found, limit, COSTS[cost][1])
    _by_search(views, found, limit)
    _by_fixed(next(iter(found.values())), fixed)


def _confirmed(view: RunView, cost: str) -> list[Network]:
    confirmation = read(view)
    if confirmation is None:
        raise SystemExit(f"{view.run.path} has no confirmation yet: nas confirm {view.run.path}")
    per, unit = COSTS[cost]
    return [
        Network(m.id[:6], m.costs[cost] / per, unit, m.mean, m.std, m.n)
        for m in confirmation.of("front")
    ]


def _fixed(path: Path, cost: str) -> list[Network]:
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    per, unit = COSTS[cost]
    return [
        Network(
            row["name"],
            row[cost] / per,
            unit,
            float(np.mean(row["test_accuracies"])),
            float(np.std(row["test_accuracies"], ddof=1)),
            len(row["test_accuracies"]),
        )
        for row in rows
    ]


def _best(networks: list[Network], limit: float) -> Network | None:
    within = [n for n in networks if n.cost <= limit]
    return max(within, key=lambda n: n.mean) if within else None


def _by_budget(found: dict[str, list[Network]], limit: float, unit: str) -> None:
    print("| within | " + " | ".join(found) + " |\n|" + "---|" * (len(found) + 1))
    for share in (8, 4, 2, 1):
        cells = [str(_best(networks, limit / share) or "nothing") for networks in found.values()]
        print(f"| {limit / share:g} {unit} | " + " | ".join(cells) + " |")


def _by_search(views: list[RunView], found: dict[str, list[Network]], limit: float) -> None:
    box = Box({"accuracy": "max", "cost": "min"}, np.array([0.0, limit]), np.array([1.0, 0.0]))
    print("\n| run | trained | CPU-s of training | front | hypervolume, confirmed |")
    print("|---|---|---|---|---|")
    for view, (name, networks) in zip(views, found.items(), strict=True):
        seconds = sum(m.cpu_seconds or 0.0 for m in view.measurements)
        trained = len({m.architecture.id for m in view.measurements if m.ok})
        points = np.array([[n.mean, n.cost] for n in networks])
        print(f"| {name} | {trained} | {seconds:.0f} | {len(networks)} | "
              f"{box.fraction(points):.4f} |")  # fmt: skip


def _by_fixed(front: list[Network], fixed: list[Network]) -> None:
    if fixed:
        print("\n| fixed network | test | best of the first run at no more cost | difference |")
        print("|---|---|---|---|")
    for network in fixed:
        ours = _best(front, network.cost)
        difference = "" if ours is None else f"{100 * (ours.mean - network.mean):+.1f} points"
        print(f"| {network.name} | {network} | {ours or 'nothing'} | {difference} |")


if __name__ == "__main__":
    main()
