"""What can be chosen: slots, choices, architectures, and the network an architecture builds."""

from space.architecture import Architecture
from space.blueprint import Position
from space.config import SpaceConfig
from space.errors import SpaceError
from space.network import Network, Part
from space.parameter import Parameter
from space.parts import parts_of
from space.search_space import SearchSpace
from space.typed import ConfigError

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
    "parts_of",
]
