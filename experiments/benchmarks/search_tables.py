"""Spaces of which every architecture was trained, for the search benchmark."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.pareto import hypervolume
from space import Architecture, SearchSpace

Doubles = NDArray[np.float64]


@dataclass
class Table:
    """True accuracy and FLOPs of every architecture of a space, and noisy single trainings.

    ``singles`` holds the accuracy of each training of an architecture, (architectures, seeds).
    ``rungs`` holds for each rung its signal (architectures, seeds), its accuracy or None, and the
    seconds of a training; the last rung is the full one.
    """

    space: SearchSpace
    ids: list[str]
    accuracy: Doubles
    flops: Doubles
    singles: Doubles
    rungs: list[tuple[Doubles, Doubles | None, Doubles]] = field(default_factory=list)
    names: tuple[str, ...] = ("flops",)

    def __post_init__(self) -> None:
        self.place = {name: i for i, name in enumerate(self.ids)}
        codes = np.concatenate(list(self.space.enumerate()))
        architectures = self.space.architectures(codes)
        self._row = {
            row.tobytes(): self.place[a.id] for row, a in zip(codes, architectures, strict=True)
        }
        self.error = (self.accuracy.max() - self.accuracy) / np.ptp(self.accuracy)
        self.load = (self.flops - self.flops.min()) / np.ptp(self.flops)
        self.volume = self.hypervolume(np.arange(len(self.ids)))

    def of(self, architecture: Architecture) -> int:
        """Return the place of an architecture in the table."""
        return self._row[self.space.codes([architecture])[0].tobytes()]

    def hypervolume(self, places: NDArray[np.int64]) -> float:
        """Return the volume of some architectures under the worst error and FLOPs of the table."""
        points = np.stack([self.error[places], self.load[places]], axis=1)
        return hypervolume(points, (1.0, 1.0), ("min", "min"))

    # a CostModel
    def costs_of(self, architectures: Any) -> dict[str, Doubles]:
        """Return the FLOPs of architectures or code rows."""
        if not isinstance(architectures, np.ndarray):
            architectures = self.space.codes(architectures)
        rows = np.ascontiguousarray(architectures)
        return {"flops": self.flops[[self._row[row.tobytes()] for row in rows]]}

    def cost(self, architecture: Architecture) -> dict[str, float]:
        """Return the FLOPs of one architecture."""
        return {"flops": float(self.flops[self.of(architecture)])}


def macro(path: Path) -> Table:
    """NAS-Bench-Macro (Su et al., arXiv:2103.11922): 8 layers of identity, MBConv3 or MBConv6."""
    data = json.loads(path.read_text())
    space = SearchSpace({f"layer{i}": ["id", "mb3", "mb6"] for i in range(8)})
    architectures = [a for codes in space.enumerate() for a in space.architectures(codes)]
    digit = {"id": "0", "mb3": "1", "mb6": "2"}
    rows = [data["".join(digit[str(v)] for v in a.values.values())] for a in architectures]
    return Table(
        space,
        [a.id for a in architectures],
        np.array([r["mean_acc"] for r in rows]) / 100,
        np.array([r["flops"] for r in rows], dtype=np.float64),
        np.array([r["test_acc"] for r in rows]) / 100,
    )


def digits(path: Path) -> Table:
    """Return the record of ``experiments/digits_table.py``."""
    record = json.loads(path.read_text())
    space = SearchSpace.from_config(record["space"], input_shape=(1, 8, 8), classes=10)
    ids = list(record["costs"])
    cells: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    rows = [dict(zip(record["fields"], row, strict=True)) for row in record["measurements"]]
    for row in sorted(rows, key=lambda r: r["seed"]):
        cells[(row["id"], row["rung"])].append(row)
    rungs = []
    for rung in range(len(record["rungs"])):
        of_rung = [cells[(name, rung)] for name in ids]
        signal = np.array([[r["signal"] for r in rows] for rows in of_rung])
        seconds = np.array([np.mean([r["cpu_seconds"] for r in rows]) for rows in of_rung])
        accuracy = None
        if of_rung[0][0]["accuracy"] is not None:
            accuracy = np.array([[r["accuracy"] for r in rows] for rows in of_rung])
        rungs.append((signal, accuracy, seconds))
    singles = rungs[-1][1]
    if singles is None:
        raise ValueError(f"{path}: the last rung of the record has no accuracy")
    flops = np.array([record["costs"][name]["flops"] for name in ids])
    return Table(space, ids, singles.mean(axis=1), flops, singles, rungs)
