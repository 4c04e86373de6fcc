"""What can be chosen: slots, choices, architectures, and the network an architecture builds.

Names are imported when first used: what only reads architectures needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plugnas.space.architecture import Architecture
    from plugnas.space.config import SpaceConfig
    from plugnas.space.errors import SpaceError
    from plugnas.space.network import Network, Part
    from plugnas.space.parameter import Parameter
    from plugnas.space.parts import network_of, parts_of
    from plugnas.space.search_space import SearchSpace
    from plugnas.space.slots import Position
    from plugnas.space.typed import ConfigError

__all__ = [
    "Architecture",
    "ConfigError",
    "Network",
    "Parameter",
    "Part",
    "Position",
    "SearchSpace",
    "SpaceConfig",
    "SpaceError",
    "network_of",
    "parts_of",
]

_HOMES = {
    "Architecture": "architecture",
    "ConfigError": "typed",
    "Network": "network",
    "Parameter": "parameter",
    "Part": "network",
    "Position": "slots",
    "SearchSpace": "search_space",
    "SpaceConfig": "config",
    "SpaceError": "errors",
    "network_of": "parts",
    "parts_of": "parts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'plugnas.space' has no attribute {name!r}")
    found = getattr(import_module(f"plugnas.space.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
