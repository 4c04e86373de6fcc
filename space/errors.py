"""Errors of the space room."""

from __future__ import annotations

from plugnas.modules import PlugnasError


class SpaceError(PlugnasError):
    """A space, an architecture or a choice against the rules of the space; the text says how."""
