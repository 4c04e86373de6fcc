"""Spaces of which every architecture was trained, for the search benchmark."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front.pareto import hypervolume
from plugnas.space import Architecture, SearchSpace

Doubles = NDArray[np.float64]


Training = tuple[list[float], float]
"""Loss of each epoch, and the accuracy at the end."""


@dataclass
class Table:
    """True accuracy and FLOPs of every architecture of a space, and noisy single trainings.

    ``singles`` holds the accuracy of each training of an architecture. Where trainings were
    recorded, ``trainings`` holds for each architecture the losses by epoch and the accuracy of
    each, ``seconds`` their CPU seconds (architectures,), and ``scores`` by the name of a zero-cost
    score its values and seconds.
    """

    space: SearchSpace
    ids: list[str]
    accuracy: Doubles
    flops: Doubles
    singles: Sequence[Sequence[float]] | Doubles
    trainings: list[list[Training]] = field(default_factory=list)
    seconds: Doubles = field(default_factory=lambda: np.zeros(0))
    scores: dict[str, tuple[Doubles, Doubles]] = field(default_factory=dict)
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
    """Return the record of ``experiments/digits_table.py``; true is the mean of the seeds."""
    record = json.loads(path.read_text())
    space = SearchSpace.from_config(record["space"], input_shape=(1, 8, 8), classes=10)
    ids = list(record["costs"])
    last = len(record["rungs"]) - 1
    cells: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    rows = [dict(zip(record["fields"], row, strict=True)) for row in record["measurements"]]
    for row in sorted(rows, key=lambda r: r["seed"]):
        cells[(row["id"], row["rung"])].append(row)
    full = [cells[(name, last)] for name in ids]
    singles = [[row["accuracy"] for row in rows] for rows in full]
    scores = {}
    for rung, name in enumerate(record["rungs"]):
        first = [cells[(i, rung)][0] for i in ids]
        if first[0]["accuracy"] is None:
            columns = ([row["signal"] for row in first], [row["cpu_seconds"] for row in first])
            scores[name] = (np.array(columns[0]), np.array(columns[1]))
    return Table(
        space,
        ids,
        np.array([np.mean(values) for values in singles]),
        np.array([record["costs"][name]["flops"] for name in ids]),
        singles,
        [[(row["losses"], row["accuracy"]) for row in rows if row["losses"]] for rows in full],
        np.array([np.median([row["cpu_seconds"] for row in rows]) for rows in full]),
        scores,
    )
