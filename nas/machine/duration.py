"""Seconds as people say them."""

from __future__ import annotations

_UNITS = (("second", 1.0), ("minute", 60.0), ("hour", 3600.0), ("day", 86400.0))


def spoken(seconds: float) -> str:
    """Write seconds as ``20 seconds``, ``4 minutes``, ``2.5 hours`` or ``3 days``."""
    name, unit = next((u for u in reversed(_UNITS) if seconds >= 1.5 * u[1]), _UNITS[0])
    number = seconds / unit
    # half hours and half days are worth saying, half minutes are not
    halves = unit >= 3600 and number < 9.75
    shown = round(2 * number) / 2 if halves else max(1, round(number))
    return f"{shown:g} {name}{'s' * (shown != 1)}"


__all__ = ["spoken"]
