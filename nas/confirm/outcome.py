"""What a confirmation came to, read from its ledgers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plugnas.nas.confirm.luck import Luck, luck_of
from plugnas.nas.confirm.statistics import Estimate, Pair, kendall, pairs
from plugnas.nas.ledger import ledger
from plugnas.nas.ledger.fitting import read_all
from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import Architecture

if TYPE_CHECKING:
    from plugnas.nas.run.view import RunView

FRONT, CONTROL = "front", "control"


@dataclass(frozen=True)
class Confirmed:
    """One architecture's long trainings. Accuracies are on the test set unless they say proxy.

    ``kind`` is ``front`` or ``control`` (a random architecture within budget); ``std`` is over the
    ``n`` seeds. ``proxy_accuracy`` is what the search saw, ``proxy_again`` the same short training
    under a seed that the search did not use (NaN where there is none). ``numbers`` are the tasks
    in RUN/confirm/confirm.jsonl.
    """

    architecture: Architecture
    kind: str
    mean: float
    std: float
    n: int
    accuracies: tuple[float, ...]
    proxy_accuracy: float
    proxy_again: float
    costs: Mapping[str, float]
    numbers: tuple[int, ...]

    @property
    def id(self) -> str:
        """The architecture's id."""
        return self.architecture.id


@dataclass(frozen=True)
class Confirmation:
    """All confirmations of a run, front first, cheapest first, and what they tell together.

    ``tau`` is between the proxy measured afresh and the test accuracy, over front and control;
    ``tau_front`` between what the search saw and the test accuracy, over the front alone, where
    choices are made. ``pairs`` compares the front's members. ``missing`` counts the trainings that
    the last session planned and has not recorded.
    """

    members: tuple[Confirmed, ...]
    failed: int
    tau: Estimate
    tau_front: Estimate
    luck: Luck | None
    pairs: tuple[Pair, ...]
    about: Mapping[str, Any]
    missing: int = 0

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
        return _plain(
            {
                "recipe": self.about.get("recipe"),
                "test_images": self.about.get("test_images"),
                "members": [_row(m) for m in self.members],
                "failed": self.failed,
                "missing": self.missing,
                "tau": asdict(self.tau),
                "tau_front": asdict(self.tau_front),
                "luck": luck,
                "pairs": [{**asdict(p), "distinguishable": p.distinguishable} for p in self.pairs],
            }
        )


def _row(m: Confirmed) -> dict[str, Any]:
    return {
        "id": m.id,
        "kind": m.kind,
        "test_accuracy": m.mean,
        "test_accuracy_std": m.std,
        "n": m.n,
        "test_accuracies": list(m.accuracies),
        "proxy_accuracy": m.proxy_accuracy,
        "proxy_accuracy_again": m.proxy_again,
        **m.costs,
        "numbers": list(m.numbers),
        "architecture": m.architecture.values,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def paths(run: Path) -> tuple[Path, Path]:
    """Return the ledgers of a run's confirmation: long trainings, and proxies measured afresh."""
    return run / "confirm" / "confirm.jsonl", run / "confirm" / "proxy.jsonl"


def read(view: RunView) -> Confirmation | None:
    """Read a run's confirmations; None where there is none yet."""
    long, again = paths(view.run.path)
    if not long.exists():
        return None
    measurements = read_all(long, view.space)
    about: dict[str, Any] = {}
    control: set[str] = set()
    for header in ledger.read(long).headers:
        about.update(header.get("confirm", {}))
        control |= set(header.get("confirm", {}).get("control", ()))
    groups: dict[str, list[Measurement]] = defaultdict(list)
    for m in measurements:
        if m.ok:
            groups[m.architecture.id].append(m)
    fresh = _means(read_all(again, view.space))
    seen = {m.id: m["accuracy"] for m in view.members}
    members = [_confirmed(group, control, seen, fresh) for group in groups.values()]
    if not members:
        return None
    members.sort(key=lambda m: (m.kind == CONTROL, m.costs.get(_cost(view), 0.0)))
    failed = sum(not m.ok for m in measurements)
    found = summarise(members, failed, about, view.objectives)
    told = {(m.architecture.id, m.seed) for m in measurements}
    planned = {(i, s) for i in _planned(about) for s in about.get("seeds", ())}
    return replace(found, missing=len(planned - told))


def _planned(about: Mapping[str, Any]) -> list[str]:
    return [*about.get("front", ()), *about.get("control", ())]


def _cost(view: RunView) -> str:
    return next((n for n, d in view.objectives.items() if d == "min"), "flops")


def _means(measurements: Sequence[Measurement]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for m in measurements:
        if m.ok:
            found[m.architecture.id].append(m.values["accuracy"])
    return {name: float(np.mean(v)) for name, v in found.items()}


def _confirmed(
    group: Sequence[Measurement],
    control: set[str],
    seen: Mapping[str, float],
    fresh: Mapping[str, float],
) -> Confirmed:
    group = sorted(group, key=lambda m: m.seed)
    accuracies = tuple(m.values["accuracy"] for m in group)
    name = group[0].architecture.id
    return Confirmed(
        architecture=group[0].architecture,
        kind=CONTROL if name in control else FRONT,
        mean=float(np.mean(accuracies)),
        std=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else math.nan,
        n=len(accuracies),
        accuracies=accuracies,
        proxy_accuracy=seen.get(name, math.nan),
        proxy_again=fresh.get(name, math.nan),
        costs=dict(group[0].costs),
        numbers=tuple(m.number for m in group),
    )


def summarise(
    members: Sequence[Confirmed],
    failed: int,
    about: Mapping[str, Any],
    objectives: Mapping[str, str],
) -> Confirmation:
    """Work out what confirmed members tell together."""
    front = [m for m in members if m.kind == FRONT]
    control = [m for m in members if m.kind == CONTROL]
    anew = [m for m in members if math.isfinite(m.proxy_again)]
    known = [m for m in front if math.isfinite(m.proxy_accuracy)]
    return Confirmation(
        members=tuple(members),
        failed=failed,
        tau=kendall([m.proxy_again for m in anew], [m.mean for m in anew]),
        tau_front=kendall([m.proxy_accuracy for m in known], [m.mean for m in known]),
        luck=luck_of(front, control, objectives),
        pairs=tuple(pairs({m.id: m.accuracies for m in front})),
        about=about,
    )


__all__ = ["CONTROL", "FRONT", "Confirmation", "Confirmed", "paths", "read", "summarise"]
