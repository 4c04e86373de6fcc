"""How far training moved the gates of a host's plugs from 0, where each of them began."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plugnas.nas.ledger.measurement import Measurement


def gates_of(measurements: Sequence[Measurement], rung: int) -> dict[str, list[float]]:
    """Return plug -> [mean, largest] of |g| over its channels, averaged over the seeds.

    Args:
        measurements: those of one architecture.
        rung: the one whose trainings count.
    """
    told = [m.extra.get("gates") for m in measurements if m.ok and m.rung == rung]
    found = [gates for gates in told if isinstance(gates, dict)]
    names = dict.fromkeys(name for gates in found for name in gates)
    return {
        name: np.mean([g[name] for g in found if name in g], axis=0).round(6).tolist()
        for name in names
    }


__all__ = ["gates_of"]
