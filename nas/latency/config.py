"""What a job says about latency."""

from __future__ import annotations

import msgspec


class LatencyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How latency is taken where it is an objective or a budget.

    ``table`` is a file made by ``nas latency --table`` (on this machine or another); without one,
    the pieces of the space are measured on ``device`` before the search.
    """

    device: str = "cpu"
    table: str | None = None
    batch: int = 1
    threads: int = 1
    rounds: int = 30
