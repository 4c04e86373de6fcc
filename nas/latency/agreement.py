"""Whether two latency tables of a space agree: of two sessions, or of a search and the script."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plugnas.nas.latency.errors import ForeignTableError
from plugnas.nas.latency.figures import kendall_tau
from plugnas.nas.latency.provision import require_space
from plugnas.nas.latency.table import LatencyTable
from plugnas.space import SearchSpace

NETWORKS = 60
SAME = ("device", "runtime", "batch", "threads", "dtype", "memory_format")


@dataclass(frozen=True)
class Agreement:
    """How far two tables are apart on random networks, at equal anchors.

    ``pace`` is how many times longer the anchors took in the first session: a machine that is as
    slow as that for all it runs says nothing of the networks. ``apart`` is the mean relative
    difference of the predictions at equal anchors, ``apart_ms`` that of the milliseconds as they
    stand; ``stated`` the root of the sum of the squares of the errors that the tables state of
    themselves; ``kendall_tau`` that of the predictions, None where they are all alike.
    """

    networks: int
    pace: float
    apart: float
    apart_ms: float
    stated: float
    kendall_tau: float | None

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the stated error."""
        return self.apart <= self.stated

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "agrees": self.agrees}

    def text(self) -> str:
        """The same in words."""
        tau = "" if self.kendall_tau is None else f"; Kendall tau {self.kendall_tau:.3f}"
        return (
            f"the tables {'agree' if self.agrees else 'DO NOT AGREE'}: at equal anchors "
            f"{self.networks} random networks are predicted {self.apart:.1%} apart on average, and "
            f"both tables together state an error of {self.stated:.1%}{tau}\n"
            f"the anchors took {self.pace:.2f} times as long in the first session, so the "
            f"milliseconds as they stand are {self.apart_ms:.1%} apart"
        )


def agreement(
    one: LatencyTable, other: LatencyTable, space: SearchSpace, seed: int = 0
) -> Agreement:
    """Compare two tables on random networks of a space.

    Args:
        one: a table.
        other: another.
        space: the space that both were made for.
        seed: draws the networks.

    Raises:
        ForeignTableError: a table lacks a piece of the space or does not say its own error, they
            were measured under different conditions, or by different anchors.
    """
    for table in (one, other):
        require_space(table, space)
        if "mean_error" not in table.check:
            raise ForeignTableError(
                "two tables agree within the errors that they state, but one states none; make it "
                "anew: nas latency --table JOB.yaml -o TABLE.json"
            )
    for name in SAME:
        mine, its = getattr(one.conditions, name), getattr(other.conditions, name)
        if mine != its:
            raise ForeignTableError(
                f"two tables are compared under the same conditions, but their {name} is {mine} "
                f"and {its}; measure one of them anew"
            )
    if one.anchors.keys() != other.anchors.keys():
        raise ForeignTableError(
            f"two tables are compared by the same anchors, but they have {', '.join(one.anchors)} "
            f"and {', '.join(other.anchors)}; measure one of them anew"
        )
    rng = np.random.default_rng(seed)
    drawn = space.architectures(space.sample_codes(NETWORKS, rng))
    first, second = (np.array([t.predict(space.parts(a)) for a in drawn]) for t in (one, other))
    pace = float(
        np.exp(np.median([np.log(ms / other.anchors[n]) for n, ms in one.anchors.items()]))
    )
    return Agreement(
        len(drawn),
        pace,
        float(np.abs(first / second / pace - 1).mean()),
        float(np.abs(first / second - 1).mean()),
        float(np.hypot(one.check["mean_error"], other.check["mean_error"])),
        kendall_tau(first, second),
    )


__all__ = ["Agreement", "agreement"]
