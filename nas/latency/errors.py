"""What can go wrong when a latency is taken or used."""

from __future__ import annotations

from plugnas.modules import PlugnasError


class LatencyError(PlugnasError):
    """A latency that cannot be measured or predicted as asked."""


class ForeignTableError(LatencyError):
    """A latency table of another space, torch version, device or setting; or no table at all."""
