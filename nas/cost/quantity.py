"""Numbers as people write them: read ``2M``, write ``15.5M``."""

from __future__ import annotations

import re

from plugnas.space.typed import ConfigError

_SUFFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


Quantity = int | float | str


def quantity(value: Quantity, name: str) -> float:
    """Read ``2000000``, ``2e6``, ``2M`` or ``1.5G`` as a number.

    Raises:
        ConfigError: the text is no number with a suffix k, M, G or T.
    """
    if isinstance(value, int | float):
        return float(value)
    match = re.fullmatch(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([kMGT]?)\s*", value)
    try:
        if match:
            return float(match[1]) * _SUFFIXES[match[2]]
    except ValueError:
        pass
    raise ConfigError(f"{name} must be a number such as 2e6, 500k, 2M or 1.5G, but got {value!r}")


def short(number: float) -> str:
    """Write 12345678 as ``12.3M``."""
    number = float(f"{number:.3g}")  # rounded first: 999999 is 1M
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{suffix}"
    return f"{number:.3g}"
