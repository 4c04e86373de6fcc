"""What can be chosen: slots, choices, architectures, and the network an architecture builds."""

from plugnas.space.architecture import Architecture
from plugnas.space.config import SpaceConfig
from plugnas.space.errors import SpaceError
from plugnas.space.network import Network, Part
from plugnas.space.parameter import Parameter
from plugnas.space.parts import parts_of
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
    "parts_of",
]
