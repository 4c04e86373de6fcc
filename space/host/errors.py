"""Errors of hosts."""

from __future__ import annotations

from plugnas.space.errors import SpaceError


class HostError(SpaceError):
    """A host that cannot be built, loaded, traced or plugged; the text says why."""
