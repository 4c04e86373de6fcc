"""What would settle an open question of a run: the command, and how long it takes."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from plugnas.nas.explain.design import slots_of
from plugnas.nas.explain.effect import Effect
from plugnas.nas.explain.effects import Explanation
from plugnas.nas.explain.verdicts import UNSETTLED
from plugnas.nas.machine.duration import spoken
from plugnas.nas.run.seconds import seconds_of_training, side_by_side
from plugnas.nas.run.view import RunView
from plugnas.space.placebo import groups_with_placebo

_SEEDS = 3
_NETWORKS = 4


@dataclass(frozen=True)
class Advice:
    """The controlled experiment of one slot: its command, and the seconds that it takes."""

    slot: str
    command: str
    seconds: float

    @property
    def text(self) -> str:
        """Return the command and its price in words."""
        took = "" if math.isnan(self.seconds) else f", about {spoken(self.seconds)}"
        return f"`{self.command}` trains networks that differ in {self.slot} alone{took}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        seconds = self.seconds if math.isfinite(self.seconds) else None
        return {**asdict(self), "seconds": seconds, "text": self.text}


def advice(view: RunView, found: Explanation | None, done: Collection[str]) -> Advice | None:
    """Return the experiment for the slot whose open effect is the clearest; None where none is.

    ``done`` are slots that had their experiment. None for a search from Python, whose networks
    are not ours to train.
    """
    effects = [] if found is None or not view.of_job else list(found.effects)
    open_ones = [e for e in effects if e.verdict == UNSETTLED and e.slot not in done]
    if not open_ones:
        return None
    slot = max(open_ones, key=_clearness).slot
    choices = next(len(s.choices) for s in slots_of(view.space) if s.name == slot)
    choices += slot in {g.name for g in groups_with_placebo(view.space)}
    trainings = choices * _SEEDS * _NETWORKS
    return Advice(
        slot,
        f"nas explain {view.run.path} --settle {shlex.quote(slot)} --trials {trainings}",
        trainings * seconds_of_training(view) / side_by_side(view, trainings),
    )


def _clearness(effect: Effect) -> float:
    """Return how large an effect is beside its own interval."""
    width = effect.high - effect.low
    return abs(effect.effect) / width if width > 0 else 0.0


def only_open(found: Explanation) -> bool:
    """Whether nothing at all is settled."""
    return all(e.verdict == UNSETTLED for e in (*found.effects, *found.training))


__all__ = ["Advice", "advice", "only_open"]
