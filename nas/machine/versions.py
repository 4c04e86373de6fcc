"""The versions of the software that decides what a measurement is."""

from __future__ import annotations

import platform
from importlib import metadata


def versions() -> dict[str, str]:
    """Return the versions of the software that decides what a measurement is."""
    found = {"python": platform.python_version()}
    for name in ("plugnas", "torch", "torchvision", "numpy", "optuna", "ray"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
