"""What a network makes of common choices at a site: entries of ``same=`` in a declaration.

Two values of a choice are one network where the function gives the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from plugnas.modules._entry import Setting
from plugnas.modules._parts import common_divisor, hidden_width
from plugnas.modules._slots import Site

Effect = Callable[[Site, Setting], Hashable]


def bottleneck(name: str = "reduction", *, minimum: int = 1) -> Effect:
    """A hidden width of C // reduction, never below ``minimum``."""
    return lambda site, setting: hidden_width(site.channels, setting[name], minimum)


def channel_groups(name: str = "groups") -> Effect:
    """The largest number of groups, up to the choice, that divides C."""
    return lambda site, setting: common_divisor(setting[name], site.channels)


def conv_groups(name: str = "groups") -> Effect:
    """The largest number of groups, up to the choice, that divides both Cin and Cout."""
    return lambda site, setting: common_divisor(setting[name], site.channels, site.width_out)


def reach(site: Site, distance: int) -> int:
    """A distance in pixels, at most the longer side of the map: no pixel is further away."""
    return min(distance, max(site.height, site.width))
