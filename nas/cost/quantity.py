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


def host_share(value: Quantity, name: str) -> float | None:
    """Read ``host``, ``host + 5%`` or ``host - 10 %`` as 1, 1.05, 0.9; None for other values.

    Raises:
        ConfigError: the text begins with ``host`` and says no such thing.
    """
    if not isinstance(value, str) or not value.strip().startswith("host"):
        return None
    match = re.fullmatch(r"\s*host\s*(?:([+-])\s*([0-9]+(?:\.[0-9]+)?)\s*%)?\s*", value)
    share = 1.0
    if match and match[1]:
        share += float(match[1] + match[2]) / 100
    if not match or share <= 0:
        raise ConfigError(f"{name}: write `host + 5%` or `host - 10%`, but got {value!r}")
    return share


def short(number: float) -> str:
    """Write 12345678 as ``12.3M``."""
    number = float(f"{number:.3g}")  # rounded first: 999999 is 1M
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{suffix}"
    return f"{number:.3g}"
