"""What common choices come to at a site: the entries of ``same=`` in a declaration.

Two values of a choice that come to the same are one network.
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
    """A distance in pixels as the map knows it: from its longer side on, nothing is met."""
    return min(distance, max(site.height, site.width))
