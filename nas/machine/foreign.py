"""What a job names by ``file.py:name`` or ``package.module:name``: the user's own Python."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from plugnas import modules
from plugnas.modules import PlugnasError, did_you_mean


class ForeignError(PlugnasError):
    """A reference that names nothing, or a file that cannot be imported."""


def is_reference(text: str) -> bool:
    """Whether a text has the form of a reference: two names with a colon between them."""
    home, _, name = text.rpartition(":")
    return bool(home and name)


def absolute(reference: str, base: Path | str | None = None) -> str:
    """Return a reference that another process finds from anywhere: its file by absolute path."""
    home, _, name = reference.rpartition(":")
    if not home.endswith(".py"):
        return reference
    start = Path.cwd() if base is None else Path(base)
    return f"{os.path.realpath(start / Path(home).expanduser())}:{name}"


def find(reference: str, base: Path | str | None = None) -> Any:
    """Return the object that a reference names; its file or module is imported, once.

    Args:
        reference: ``file.py:name`` or ``package.module:name``.
        base: the folder where the path of a file starts; the current one if None.

    Raises:
        ForeignError: no such file, module or name.
        LoadError: its code fails while it is imported.
    """
    if not is_reference(reference):
        raise ForeignError(f"`{reference}` must be `file.py:name` or `package.module:name`")
    home, _, name = absolute(reference, base).rpartition(":")
    if home.endswith(".py"):
        module = modules.load_file(home, Path(home))
    else:
        modules.load([home])
        module = importlib.import_module(home)
    if not hasattr(module, name):
        public = [n for n in dir(module) if not n.startswith("_")]
        raise ForeignError(f"{home} has no `{name}`{did_you_mean(name, public)}")
    return getattr(module, name)


__all__ = ["ForeignError", "absolute", "find", "is_reference"]
