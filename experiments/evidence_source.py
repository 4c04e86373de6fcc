"""What the table of modules rests on: runs of the balanced sets, and earlier recorded searches.

A balanced run is kept in the record as a small CSV file: a line for each training, with its
accuracy, costs, seconds and the module in each slot. Earlier searches are read from their records.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from evidence_model import Run
from numpy.typing import NDArray

from plugnas.nas.cost import NetworkCost
from plugnas.nas.explain.design import Slot, content, filled, shares, slots_of
from plugnas.nas.run.view import RunView, open_run
from plugnas.space import Architecture, SearchSpace, SpaceError
from plugnas.space.host.names import parse

NUMBERS = ("accuracy", "flops", "params", "processor_seconds")
REFERENCES = {
    "backbone": {"attention": "none", "operator": "conv", "fusion": "add", "context": "none"},
    "host": {"attention": "none", "operator": "keep", "context": "none"},
}
"""Kind of network -> slot -> the choice that the others are held against."""

EARLIER = {
    "backbone": {
        "2026-11-21_digits": "digits",
        "2026-11-21_cifar10": "cifar10",
        "2026-11-21_cifar10/random": "cifar10",
        "2026-11-21_cifar10/tpe": "cifar10",
        "2026-11-21_cifar10_latency": "cifar10",
    },
    "host": {"2026-11-27_host_resnet20": "cifar10", "2026-11-27_host_lite0_neu": "steel"},
}
"""Kind -> recorded search -> its images."""


def trainings(kind: str, record: Path, without: str = "") -> list[Run]:
    """Return the runs that a record holds and the earlier ones beside it, but those on some images.

    Args:
        kind: ``backbone`` or ``host``.
        record: the folder of the record.
        without: the data set that is left out.
    """
    runs = [read(path)[0] for path in sorted(record.glob(f"{kind}_*.csv"))]
    for name, images in EARLIER[kind].items():
        if images != without:
            runs.append(recorded(open_run(record.parent / name), name, images))
    return [run for run in runs if run.data_set != without]


def keep(view: RunView, path: Path) -> None:
    """Write a balanced run as CSV; a training that failed has no accuracy."""
    space = view.space
    slots = slots_of(space)
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*NUMBERS, *(plain(s.name) for s in slots)])
        for m in view.measurements:
            accuracy = f"{m.values[view.metric.name]:.5f}" if m.ok else ""
            held = [content(s, space, m.architecture) for s in slots]
            costs = (f"{m.costs[c]:.0f}" for c in ("flops", "params"))
            out.writerow([accuracy, *costs, f"{m.cpu_seconds:.2f}", *held])


def read(path: Path) -> tuple[Run, float, int]:
    """Return a balanced run from its CSV file, its processor seconds, and how many failed.

    Its name is ``<kind>_<data set>``.
    """
    kind, data_set = path.stem.split("_", 1)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    good = [row for row in rows if row["accuracy"]]
    held: dict[str, dict[str, NDArray[np.float64]]] = {}
    for slot, reference in REFERENCES[kind].items():
        choices = dict.fromkeys(row[slot] for row in good if slot in row)
        held[slot] = {
            c: np.array([float(row[slot] == c) for row in good]) for c in choices if c != reference
        }
    flops = np.array([float(row["flops"]) for row in good])
    accuracy = np.array([float(row["accuracy"]) for row in good])
    run = Run(path.stem, data_set, accuracy, flops if kind == "backbone" else None, held)
    return run, sum(float(row["processor_seconds"]) for row in rows), len(rows) - len(good)


def recorded(view: RunView, name: str, data_set: str) -> Run:
    """Return an earlier search, at the rung that has the most trainings.

    Its other slots (activation, pooling) take part, so that they are not counted for modules.

    Args:
        view: the search.
        name: what the page calls it.
        data_set: the images it was made on.
    """
    rungs = [m.rung for m in view.measurements if m.ok]
    rung = max(set(rungs), key=rungs.count)
    rows = [m for m in view.measurements if m.ok and m.rung == rung]
    codes = view.space.codes([m.architecture for m in rows])
    held: dict[str, dict[str, NDArray[np.float64]]] = defaultdict(dict)
    slots = slots_of(view.space)
    places: dict[str, int] = defaultdict(int)
    for slot in slots:
        places[plain(slot.name)] += 1
    for slot in slots:
        columns = shares(view.space, slot, codes) / places[plain(slot.name)]
        for choice, column in zip(slot.choices, columns.T, strict=True):
            if choice != slot.reference:
                own = held[plain(slot.name)]
                own[str(choice)] = own.get(str(choice), np.zeros(len(rows))) + column
    accuracy = np.array([m.values[view.metric.name] for m in rows])
    flops = np.array([m.costs["flops"] for m in rows])
    return Run(name, data_set, accuracy, flops if view.space.host is None else None, held)


def plain(name: str) -> str:
    """Return ``attention`` for the site ``after.layer3.attention``."""
    site = parse(name)
    return name if site is None else site.slot


def added(space: SearchSpace) -> dict[str, dict[str, tuple[float, float]]]:
    """Return slot -> module -> FLOPs and parameters with it over those with the reference.

    All other slots hold their reference, and each width is the middle one of its list.
    """
    cost, base = NetworkCost(space), _plainest(space)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for slot in slots_of(space):
        before = cost.cost(filled(slot, space, base, slot.reference))
        for choice in slot.choices:
            after = _cost(space, cost, slot, base, choice)
            if after is not None and choice != slot.reference:
                flops, params = (after[n] / before[n] for n in ("flops", "params"))
                own = found.setdefault(plain(slot.name), {})
                own[str(choice)] = round(flops, 3), round(params, 3)
    return found


def _cost(
    space: SearchSpace, cost: NetworkCost, slot: Slot, base: Architecture, choice: Any
) -> Any:
    try:
        return cost.cost(filled(slot, space, base, choice))
    except SpaceError:  # it cannot stand there
        return None


def _plainest(space: SearchSpace) -> Architecture:
    middle = {p.name: p.choices[len(p.choices) // 2] for p in space.parameters}
    own = {space.parameters[j].name: s.reference for s in slots_of(space) for j in s.columns}
    return space.architecture({**middle, **own})


__all__ = ["NUMBERS", "REFERENCES", "added", "keep", "plain", "read", "recorded", "trainings"]
