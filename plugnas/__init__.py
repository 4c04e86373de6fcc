"""plugnas: decides which plug-in modules a vision network should be made of, and where.

The three rooms are ``plugnas.modules``, ``plugnas.space`` and ``plugnas.nas``. In a wheel they lie
inside this package; in a checkout they stand beside it, at the top of the repository, and are
found there. Names below are imported when first used, so that ``import plugnas`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.2.0"

_HERE = Path(__file__).resolve().parent
if not (_HERE / "nas").is_dir():  # a checkout: the rooms stand beside this folder
    __path__.append(str(_HERE.parent))

_HOMES = {
    "RunView": "plugnas.nas.run.view",
    "search": "plugnas.nas.api",
    "load": "plugnas.nas.export.tensors",
    "open": "plugnas.nas.api",
    "plug": "plugnas.space.host",
    "sites": "plugnas.space.host",
    "Architecture": "plugnas.space",
    "SearchSpace": "plugnas.space",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in ("modules", "space", "nas"):
        return import_module(f"plugnas.{name}")
    raise AttributeError(f"module 'plugnas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
