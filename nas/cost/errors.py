"""What can go wrong when a cost is asked for."""

from __future__ import annotations

from plugnas.modules import PlugnasError


class CostError(PlugnasError):
    """A cost that cannot be known, or a cost function that breaks its contract."""


class UncountedOperatorError(CostError):
    """An operator that does arithmetic has no counting rule; its cost is never taken as zero."""
