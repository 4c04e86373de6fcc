"""Whether a file can be written where it is wanted, asked before hours go into what it holds."""

from __future__ import annotations

import os
from pathlib import Path

from plugnas.modules import PlugnasError


class PlaceError(PlugnasError):
    """A place where nothing can be written."""


def unwritable(path: Path) -> str | None:
    """Return why nothing can be written at ``path``, missing folders being made; None if it can."""
    path = path.absolute()
    above = next(place for place in (path, *path.parents) if place.exists())
    if above != path and not above.is_dir():
        return f"{above} is no folder"
    needed = os.W_OK | os.X_OK if above.is_dir() else os.W_OK
    return None if os.access(above, needed) else f"{above} is not writable"


def check_file(path: Path, option: str) -> None:
    """Raise PlaceError unless a file can be written at the place that ``option`` names."""
    reason = f"{path} is a folder" if path.is_dir() else unwritable(path)
    if reason is not None:
        raise PlaceError(f"{option} {path} cannot be written: {reason}")


__all__ = ["PlaceError", "check_file", "unwritable"]
