"""The zoo: plug-in modules for vision networks, and the registry that declares them.

Every file below this package registers what it defines. The first use of a name below imports them
all, so that a module is never missing because nobody imported it, and those of installed packages
that announce themselves under the entry point ``plugnas.modules``. ``load`` imports a user's own
files. The errors are there without that: who only reads a run needs no torch.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from plugnas.modules.errors import (
    AdoptError,
    DeclarationError,
    LoadError,
    PlugnasError,
    RefusedError,
    UnknownModuleError,
    did_you_mean,
)

if TYPE_CHECKING:
    from plugnas.modules._adopt import can_adopt
    from plugnas.modules._entry import Entry, Setting, Value, token
    from plugnas.modules._fuse import fuse
    from plugnas.modules._load import load, load_file
    from plugnas.modules._recipe import Recipe
    from plugnas.modules._registry import entries, get, register
    from plugnas.modules._slots import SLOTS, Site, Slot

__all__ = [
    "SLOTS",
    "AdoptError",
    "DeclarationError",
    "Entry",
    "LoadError",
    "PlugnasError",
    "Recipe",
    "RefusedError",
    "Setting",
    "Site",
    "Slot",
    "UnknownModuleError",
    "Value",
    "can_adopt",
    "did_you_mean",
    "entries",
    "fuse",
    "get",
    "load",
    "load_file",
    "register",
    "token",
]

_HOMES = {
    "_adopt": ("can_adopt",),
    "_entry": ("Entry", "Setting", "Value", "token"),
    "_fuse": ("fuse",),
    "_load": ("load", "load_file"),
    "_recipe": ("Recipe",),
    "_registry": ("entries", "get", "register"),
    "_slots": ("SLOTS", "Site", "Slot"),
}
_LATER = {name: home for home, names in _HOMES.items() for name in names}
_filling = threading.RLock()
_begun = False


def __getattr__(name: str) -> Any:
    if name in _LATER:
        fill()
        found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = found  # the next time it is there
        return found
    folders = {folder.name for folder in pkgutil.iter_modules(__path__) if folder.ispkg}
    if name in folders - {"testing"}:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'plugnas.modules' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def fill() -> None:
    """Import every file of the zoo, then what installed packages announce; once."""
    global _begun
    with _filling:  # another thread may have begun it
        if not _begun:
            _begun = True
            for file in _files():
                importlib.import_module(file)
            importlib.import_module(f"{__name__}._load").load_entry_points()


def _files() -> Iterator[str]:
    """Yield the names of all files with modules of the zoo; ``testing`` tests them."""
    for folder in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        if folder.ispkg and not folder.name.endswith(".testing"):
            inner = importlib.import_module(folder.name).__path__
            for file in pkgutil.iter_modules(inner, prefix=f"{folder.name}."):
                if not file.name.rsplit(".", 1)[-1].startswith("_"):
                    yield file.name
