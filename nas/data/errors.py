"""The errors that bad image data ends in."""

from __future__ import annotations

from plugnas.modules import PlugnasError


class DataError(PlugnasError):
    """Image data that cannot be searched on: the rule, what was found, the remedy."""
