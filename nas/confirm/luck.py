"""How much of a front's lead was luck: hypervolume as searched, measured again, confirmed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.confirm.statistics import Estimate, mean_of
from plugnas.nas.front.box import Box
from plugnas.nas.front.metric import Metric

if TYPE_CHECKING:
    from plugnas.nas.confirm.outcome import Confirmed


@dataclass(frozen=True)
class Lead:
    """Hypervolume of the front's members and of the random control, in one box around both."""

    front: float
    control: float

    @property
    def lead(self) -> float:
        """How much more of the box the front dominates."""
        return self.front - self.control


@dataclass(frozen=True)
class Luck:
    """How much of the front's lead over random architectures was luck (regression to the mean).

    ``points`` is what a front member lost of the main objective, on average, when the proxy trained
    it again under a seed that the search did not use. ``searched`` is the front's lead in
    hypervolume as the search saw it, ``again`` as measured afresh, both by the proxy on validation
    images; ``confirmed`` after the long training, on test images.
    """

    points: Estimate
    searched: Lead
    again: Lead
    confirmed: Lead

    @property
    def share(self) -> float:
        """The share of the lead that was luck; NaN where there was no lead."""
        if self.searched.lead <= 0:
            return math.nan
        return 1 - self.again.lead / self.searched.lead


def luck_of(
    front: Sequence[Confirmed],
    control: Sequence[Confirmed],
    objectives: Mapping[str, str],
    metric: Metric,
) -> Luck | None:
    """Compare front and control in a run's objectives, of which ``metric`` is the main one.

    None where either was not measured again.

    Args:
        front: the front's members.
        control: the random architectures.
        objectives: name -> `max` or `min`.
        metric: the main objective.
    """
    both = [m for m in front if math.isfinite(m.proxy) and math.isfinite(m.proxy_again)]
    others = [m for m in control if math.isfinite(m.proxy_again)]
    if not both or not others:
        return None

    names = [n for n in objectives if all(n in (metric.name, *m.costs) for m in [*both, *others])]
    known = {name: objectives[name] for name in names}

    def points(found: Sequence[Confirmed], value: str) -> NDArray[np.float64]:
        return np.array(
            [[getattr(m, value) if n == metric.name else m.costs[n] for n in known] for m in found]
        )

    seen, again = points(both, "proxy"), points(both, "proxy_again")
    random = points(others, "proxy_again")
    proxy = Box.around(np.concatenate([seen, again, random]), known)
    tested, tested_random = points(both, "mean"), points(others, "mean")
    long = Box.around(np.concatenate([tested, tested_random]), known)
    return Luck(
        points=mean_of([metric.sign * (m.proxy - m.proxy_again) for m in both]),
        searched=Lead(proxy.fraction(seen), proxy.fraction(random)),
        again=Lead(proxy.fraction(again), proxy.fraction(random)),
        confirmed=Lead(long.fraction(tested), long.fraction(tested_random)),
    )


__all__ = ["Lead", "Luck", "luck_of"]
