"""The effect of a choice, with its interval and verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Effect:
    """The effect of a choice against its slot's reference, on the metric at equal cost.

    ``effect`` is the change of the metric (in its own unit) where all of the slot's places hold the
    choice in place of the reference and the network is scaled back to the same cost; ``low`` and
    ``high`` are its 95 % interval. ``architectures`` hold the choice somewhere. ``verdict`` is
    ``pays``, ``does not pay`` or ``not enough evidence``.
    """

    slot: str
    choice: str
    against: str
    effect: float
    low: float
    high: float
    architectures: int
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


__all__ = ["Effect"]
