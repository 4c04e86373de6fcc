"""What is said of a search in which nothing worked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from plugnas.nas.ledger.measurement import Measurement


def all_failed(measurements: Iterable[Measurement], architectures: int) -> str:
    """Return that all of so many architectures failed, with the three most frequent reasons."""
    reasons = Counter(m.reason for m in measurements if m.reason).most_common(3)
    listed = "; ".join(f"{count} x {reason}" for reason, count in reasons)
    return (
        f"A search needs evaluations that succeed, but all of the first {architectures} "
        f"architectures failed: {listed}."
    )


__all__ = ["all_failed"]
