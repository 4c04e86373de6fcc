"""What a confirmation came to, read from its ledgers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plugnas.nas.confirm.hosted import HOST, PLACEBO, hosts_of
from plugnas.nas.confirm.luck import Luck, luck_of
from plugnas.nas.confirm.statistics import Estimate, Pair, kendall, pairs
from plugnas.nas.front.member import class_iou_of, intervals_of
from plugnas.nas.front.metric import Metric
from plugnas.nas.ledger.lines import Contents
from plugnas.nas.ledger.lines import read as read_lines
from plugnas.nas.ledger.measurement import Measurement, plain
from plugnas.space import Architecture
from plugnas.space.placebo import with_placebo

if TYPE_CHECKING:
    from plugnas.nas.run.view import RunView

FRONT, CONTROL = "front", "control"


@dataclass(frozen=True)
class Confirmed:
    """One architecture's long trainings: values of the main objective, on the test set.

    ``kind`` is ``front``, ``control`` (a random architecture within budget) or, of a host, ``host``
    (unchanged) and ``placebo``; ``mean`` and ``std``
    are over the ``n`` seeds. ``proxy`` is what the search saw, ``proxy_again`` the same short
    training under a seed that the search did not use (NaN where there is none); both on validation
    images. ``numbers`` are the tasks in RUN/confirm/confirm.jsonl; ``images`` is how many
    were scored, ``told`` the interval from them where the trainings told one, ``class_iou`` the
    mean IoU of each class of a segmentation.
    """

    architecture: Architecture
    kind: str
    mean: float
    std: float
    n: int
    values: tuple[float, ...]
    proxy: float
    proxy_again: float
    costs: Mapping[str, float]
    numbers: tuple[int, ...]
    images: int | None = None
    told: tuple[float, float] | None = None
    class_iou: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The architecture's id."""
        return self.architecture.id


@dataclass(frozen=True)
class Confirmation:
    """All confirmations of a run, front first, cheapest first, and what they tell together.

    ``metric`` is the run's main objective, of which every value is. ``tau`` is between the proxy
    measured afresh and the test set, over front and control; ``tau_front`` between what the search
    saw and the test set, over the front alone, where choices are made. ``pairs`` compares the
    front's members. ``missing`` counts the trainings that the last session planned and has not
    recorded; ``left_out`` says which recorded ones do not fit the space, and why.
    """

    metric: Metric
    members: tuple[Confirmed, ...]
    failed: int
    tau: Estimate
    tau_front: Estimate
    luck: Luck | None
    pairs: tuple[Pair, ...]
    about: Mapping[str, Any]
    missing: int = 0
    misfits: int = 0
    left_out: str | None = None

    def of(self, kind: str) -> list[Confirmed]:
        """Return the members of one kind."""
        return [m for m in self.members if m.kind == kind]

    @property
    def by_id(self) -> dict[str, Confirmed]:
        """Members by id."""
        return {m.id: m for m in self.members}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data; documented in docs/json.md."""
        luck = None if self.luck is None else {**asdict(self.luck), "share": self.luck.share}
        return plain(
            {
                "metric": self.metric.name,
                "recipe": self.about.get("recipe"),
                "recipe_varies": list(self.about.get("recipe_varies", ())),
                "test_images": self.about.get("test_images"),
                "members": [_row(m, self.metric.name) for m in self.members],
                "failed": self.failed,
                "missing": self.missing,
                "misfits": self.misfits,
                "tau": asdict(self.tau),
                "tau_front": asdict(self.tau_front),
                "luck": luck,
                "pairs": [{**asdict(p), "distinguishable": p.distinguishable} for p in self.pairs],
            }
        )


def _row(m: Confirmed, metric: str) -> dict[str, Any]:
    return {
        "id": m.id,
        "kind": m.kind,
        f"test_{metric}": m.mean,
        f"test_{metric}_std": m.std,
        "n": m.n,
        "test_values": list(m.values),
        f"proxy_{metric}": m.proxy,
        f"proxy_{metric}_again": m.proxy_again,
        **({"class_iou": dict(m.class_iou)} if m.class_iou else {}),
        **m.costs,
        "numbers": list(m.numbers),
        "architecture": m.architecture.values,
    }


def paths(run: Path) -> tuple[Path, Path]:
    """Return the ledgers of a run's confirmation: long trainings, and proxies measured afresh."""
    return run / "confirm" / "confirm.jsonl", run / "confirm" / "proxy.jsonl"


def read(view: RunView) -> Confirmation | None:
    """Read a run's confirmations; None where there is none yet.

    Raises:
        LedgerError: one of its two ledgers is damaged.
    """
    long, again = paths(view.run.path)
    if not long.exists() and not again.exists():
        return None
    contents = read_lines(long) if long.exists() else Contents()
    about: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for told in (header.get("confirm", {}) for header in contents.headers):
        about.update(told)
        kinds |= dict.fromkeys(told.get("control", ()), CONTROL)
        kinds |= dict.fromkeys(told.get(PLACEBO, {}).values(), PLACEBO)
        kinds |= dict.fromkeys(hosts_of(told).values(), HOST)
    space = with_placebo(view.space, about.get("placebo_at", ()))
    trained, measured_again = view.read(long, space), view.read(again, space)
    metric = view.metric.name
    groups = _by_architecture(trained.measurements, metric)
    fresh = {
        name: float(np.mean([m.values[metric] for m in group]))
        for name, group in _by_architecture(measured_again.measurements, metric).items()
    }
    seen = {m.id: m[metric] for m in view.members if m.id in groups}
    members = [_confirmed(group, metric, kinds, seen, fresh) for group in groups.values()]
    if not members:
        return None
    members = [replace(m, images=about.get("test_images") or None) for m in members]
    members.sort(key=lambda m: (m.kind in (CONTROL, PLACEBO), m.costs.get(view.cost, 0.0)))
    failed = sum(not m.ok for m in trained.measurements)
    found = summarise(members, failed, about, view.objectives, view.metric)
    told = {(m.architecture.id, m.seed) for m in trained.measurements}
    planned = {(i, s) for i in _planned(about) for s in about.get("seeds", ())}
    return replace(
        found,
        missing=len(planned - told),
        misfits=len(trained.misfits),
        left_out=trained.left_out,
    )


def _planned(about: Mapping[str, Any]) -> list[str]:
    host = hosts_of(about).values()
    placebos = [str(name) for name in about.get(PLACEBO, {}).values()]
    return [*about.get("front", ()), *about.get("control", ()), *host, *placebos]


def _by_architecture(
    measurements: Sequence[Measurement], metric: str
) -> dict[str, list[Measurement]]:
    found: dict[str, list[Measurement]] = defaultdict(list)
    for m in measurements:
        if m.ok and metric in m.values:
            found[m.architecture.id].append(m)
    return found


def _confirmed(
    group: Sequence[Measurement],
    metric: str,
    kinds: Mapping[str, str],
    seen: Mapping[str, float],
    fresh: Mapping[str, float],
) -> Confirmed:
    group = sorted(group, key=lambda m: m.seed)
    values = tuple(m.values[metric] for m in group)
    name = group[0].architecture.id
    return Confirmed(
        architecture=group[0].architecture,
        kind=kinds.get(name, FRONT),
        mean=float(np.mean(values)),
        std=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        n=len(values),
        values=values,
        proxy=seen.get(name, math.nan),
        proxy_again=fresh.get(name, math.nan),
        costs=dict(group[0].costs),
        numbers=tuple(m.number for m in group),
        told=intervals_of(group).get(metric),
        class_iou=class_iou_of(group),
    )


def summarise(
    members: Sequence[Confirmed],
    failed: int,
    about: Mapping[str, Any],
    objectives: Mapping[str, str],
    metric: Metric,
) -> Confirmation:
    """Work out what confirmed members tell together.

    Args:
        members: front first; values are of ``metric``.
        failed: how many trainings failed.
        about: what the ledger's headers say: recipe, test images, what was planned.
        objectives: those of the run, in which front and control are compared.
        metric: the main one.
    """
    front = [m for m in members if m.kind == FRONT]
    control = [m for m in members if m.kind == CONTROL]
    anew = [m for m in members if math.isfinite(m.proxy_again)]
    known = [m for m in front if math.isfinite(m.proxy)]
    return Confirmation(
        metric=metric,
        members=tuple(members),
        failed=failed,
        tau=kendall([m.proxy_again for m in anew], [m.mean for m in anew]),
        tau_front=kendall([m.proxy for m in known], [m.mean for m in known]),
        luck=luck_of(front, control, objectives, metric),
        pairs=tuple(pairs({m.id: m.values for m in front})),
        about=about,
    )


__all__ = ["CONTROL", "FRONT", "Confirmation", "Confirmed", "paths", "read", "summarise"]
