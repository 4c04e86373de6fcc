"""Hosts: the user's own network, where something can be plugged in, and the plugging."""

from plugnas.space.host.api import plug, sites
from plugnas.space.host.blueprint import HostBlueprint, HostBuilder, placements_of
from plugnas.space.host.errors import HostError
from plugnas.space.host.host import Host
from plugnas.space.host.plugging import gates, plug_in, plugged_keys
from plugnas.space.host.plugs import Placement, Plug, Replacement, why_lost
from plugnas.space.host.records import HostSite, HostTrace, NoSite
from plugnas.space.host.source import HostSource
from plugnas.space.host.trace import trace

__all__ = [
    "Host",
    "HostBlueprint",
    "HostBuilder",
    "HostError",
    "HostSite",
    "HostSource",
    "HostTrace",
    "NoSite",
    "Placement",
    "Plug",
    "Replacement",
    "gates",
    "placements_of",
    "plug",
    "plug_in",
    "plugged_keys",
    "sites",
    "trace",
    "why_lost",
]
