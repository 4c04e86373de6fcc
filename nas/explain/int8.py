"""Which modules lose most by int8, where a search scored its networks in both."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plugnas.nas.confirm.statistics import mean_of
from plugnas.nas.front.member import Member, members
from plugnas.nas.front.metric import Metric, metric
from plugnas.nas.proxy.int8 import SUFFIX
from plugnas.nas.run.names import called, names_of
from plugnas.nas.run.view import RunView


@dataclass(frozen=True)
class Loss:
    """What the networks with a module lose of a metric by int8, on average.

    ``low`` and ``high`` are ends of its 95 % interval, NaN for a single network.
    """

    module: str
    loss: float
    low: float
    high: float
    architectures: int


@dataclass(frozen=True)
class Int8Losses:
    """The losses of all modules, the largest first, and the mean over all networks."""

    metric: Metric
    mean: float
    architectures: int
    modules: tuple[Loss, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data; an unknown end is null."""
        rows = [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(m).items()}
            for m in self.modules
        ]
        return {
            "metric": self.metric.name,
            "mean": self.mean,
            "architectures": self.architectures,
            "modules": rows,
        }

    def to_text(self) -> str:
        """Return the table to read."""
        m = self.metric
        lines = [
            f"By int8 the {self.architectures} networks of the last rung lose "
            f"{m.size_text(self.mean)}{m.unit} of {m.name} on average; those with",
        ]
        for one in self.modules:
            ends = f"[{m.change_text(one.low)}, {m.change_text(one.high)}]"
            lines.append(
                f"  {one.module:<24} {m.change_text(one.loss):>7}  "
                f"{ends if math.isfinite(one.low) else 'n = 1':<18} in {one.architectures:>4} "
                "architectures"
            )
        return "\n".join([*lines, "Modules that stand together in networks share a loss."])


def int8_losses(view: RunView) -> Int8Losses | None:
    """Return what each module loses; None where the run has no scores in int8."""
    name = next((n for n in view.objectives if n.endswith(SUFFIX)), None)
    if name is None:
        return None
    plain = name.removesuffix(SUFFIX)
    found = [
        m
        for m in members(view.measurements, view.top_rung)
        if {name, plain} <= m.values.keys() and math.isfinite(m[plain] - m[name])
    ]
    if not found:
        return None
    names = names_of(view.directory)
    by_module: dict[str, list[float]] = defaultdict(list)
    for member in found:
        for module in _modules(view, member):
            by_module[called(module, names)].append(member[plain] - member[name])
    every = [m[plain] - m[name] for m in found]
    losses = sorted((_loss(k, v) for k, v in by_module.items()), key=lambda one: -one.loss)
    return Int8Losses(
        metric(plain, "max", [m[plain] for m in found]),
        float(np.mean(every)),
        len(found),
        tuple(losses),
    )


def _modules(view: RunView, member: Member) -> set[str]:
    """Return what a network chose in slots that leave a choice."""
    chosen = [p for p in view.space.parameters if p.families is not None and len(p.choices) > 1]
    values = member.architecture.values
    return {str(values[p.name]) for p in chosen if p.name in values}


def _loss(module: str, losses: list[float]) -> Loss:
    found = mean_of(losses)
    return Loss(module, found.value, found.low, found.high, found.n)


__all__ = ["Int8Losses", "Loss", "int8_losses"]
