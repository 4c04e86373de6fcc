"""What decides a worker's figures besides its task: software, sources, the user's own code.

Two processes with different fingerprints could measure different values of one architecture.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from plugnas import modules
from plugnas.nas.machine.versions import versions

ROOMS = ("modules", "space", "nas")
DATA = "data"
_USER = "file "


def fingerprint(data: str | None = None) -> dict[str, str]:
    """Return name -> version or hash of what decides this process's measurements.

    ``sources`` is the hash of the three packages, ``file NAME`` that of each of the user's own
    modules that is imported here, ``data`` the given fingerprint of the images, if there are any.
    """
    found = {**versions(), "sources": _sources(), **_own_modules()}
    return found if data is None else {**found, DATA: data}


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str | None:
    """Return in words where two fingerprints differ; None if nowhere.

    What only one of them has imported, and data that only one has read, is no difference.
    """
    told = []
    for name in sorted(ours.keys() | theirs.keys()):
        alone = name not in ours or name not in theirs
        if ours.get(name) == theirs.get(name) or (alone and _may_lack(name)):
            continue
        here, there = ours.get(name, "none"), theirs.get(name, "none")
        told.append(_NAMES.get(name) or f"another {name} ({there} for {here})")
    return ", ".join(told) or None


_NAMES = {"sources": "other sources of plugnas", DATA: "other images"}


def _may_lack(name: str) -> bool:
    return name == DATA or name.startswith(_USER)


@functools.cache
def _sources() -> str:
    """Return the hash of the three packages as they lie on disk when first asked for."""
    root = Path(modules.__file__).parent.parent
    return _hash(path for room in ROOMS for path in sorted((root / room).rglob("*.py")))


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _own_modules() -> dict[str, str]:
    """Return the hashes of the files of the user's own modules, as they lie on disk.

    Only what is imported already counts: a process that uses no module of the zoo has none.
    """
    zoo: Any = sys.modules.get("plugnas.modules._registry")
    registered = set() if zoo is None else zoo.packages()
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name in ("__main__", "__mp_main__") or not isinstance(file, str):
            continue
        foreign = name.partition(".")[0] in registered - {"plugnas"}
        if file.endswith(".py") and (foreign or not file.startswith(_homes())):
            with contextlib.suppress(OSError):  # taken away since it was imported
                found[f"{_USER}{name}"] = _hash([Path(file)])
    return found


@functools.cache
def _homes() -> tuple[str, ...]:
    """Return the folders of Python's own modules, of installed packages and of plugnas."""
    root = Path(modules.__file__).parent.parent
    own = [str(root / room) for room in (*ROOMS, "plugnas")]
    return tuple(f"{home}/" for home in {*own, *sysconfig.get_paths().values(), sys.prefix})


__all__ = ["DATA", "difference", "fingerprint"]
