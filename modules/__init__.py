"""The zoo: plug-in modules for vision networks, and the registry that declares them.

Every file below this package registers what it defines; importing the package imports them all,
so that a module is never missing because nobody imported it, and those of installed packages that
announce themselves under the entry point ``plugnas.modules``. ``load`` imports a user's own files.
"""

import importlib
import pkgutil

from plugnas.modules._adopt import can_adopt
from plugnas.modules._entry import Entry, Setting, Value, token
from plugnas.modules._fuse import fuse
from plugnas.modules._load import load, load_entry_points, load_file
from plugnas.modules._recipe import Recipe
from plugnas.modules._registry import entries, get, register
from plugnas.modules._slots import SLOTS, Site, Slot
from plugnas.modules.errors import (
    AdoptError,
    DeclarationError,
    LoadError,
    PlugnasError,
    RefusedError,
    UnknownModuleError,
    did_you_mean,
)

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

for _folder in pkgutil.iter_modules(__path__, prefix="plugnas.modules."):
    if _folder.ispkg and not _folder.name.endswith(".testing"):  # the suite that tests modules
        for _file in pkgutil.iter_modules(
            importlib.import_module(_folder.name).__path__, prefix=f"{_folder.name}."
        ):
            if not _file.name.rsplit(".", 1)[-1].startswith("_"):
                importlib.import_module(_file.name)
load_entry_points()
