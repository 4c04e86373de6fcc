"""Controls: architectures that a search always measures, such as a host without any plug."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import Architecture


class Controls:
    """Measured first, before anything is proposed, and at every rung without being promoted."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._architectures = tuple(architectures)
        self._lifted: set[tuple[str, int]] = set()

    def first(self, known: Container[str]) -> Architecture | None:
        """Return the first whose id is not among those handed out; None if all are."""
        return next((a for a in self._architectures if a.id not in known), None)

    def lifted(
        self, measurements: Iterable[Measurement], rungs: int
    ) -> tuple[Architecture, int] | None:
        """Return a control and its next rung, each rung once; None where nothing is due."""
        told = [m for m in measurements if m.ok] if self._architectures else []
        for control in self._architectures:
            reached = [m.rung for m in told if m.architecture == control]
            above = max(reached, default=rungs) + 1
            if above < rungs and (control.id, above) not in self._lifted:
                self._lifted.add((control.id, above))
                return control, above
        return None


__all__ = ["Controls"]
