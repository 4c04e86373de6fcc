"""The zoo: plug-in modules for vision networks, and the registry that declares them.

Every file below this package registers what it defines; importing the package imports them all,
so that a module is never missing because nobody imported it.
"""

import importlib
import pkgutil

from plugnas.modules._entry import Entry, Setting, Value, token
from plugnas.modules._fuse import fuse
from plugnas.modules._recipe import Recipe
from plugnas.modules._registry import entries, get, register
from plugnas.modules._slots import SLOTS, Site, Slot
from plugnas.modules.errors import (
    DeclarationError,
    PlugnasError,
    RefusedError,
    UnknownModuleError,
    did_you_mean,
)

__all__ = [
    "SLOTS",
    "DeclarationError",
    "Entry",
    "PlugnasError",
    "Recipe",
    "RefusedError",
    "Setting",
    "Site",
    "Slot",
    "UnknownModuleError",
    "Value",
    "did_you_mean",
    "entries",
    "fuse",
    "get",
    "register",
    "token",
]

for _module in pkgutil.walk_packages(__path__, prefix="plugnas.modules."):
    if not _module.name.rsplit(".", 1)[-1].startswith("_"):
        importlib.import_module(_module.name)
