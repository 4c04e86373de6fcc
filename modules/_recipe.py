"""How a module is built, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Recipe:
    """A class and its constructor's arguments; an argument may be a recipe itself.

    ``build`` makes the module of it, and an export writes the same call as source code.
    """

    cls: type[nn.Module]
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build the module with fresh weights, the inner recipes first."""
        return self.cls(
            *(_built(argument) for argument in self.positional),
            **{name: _built(argument) for name, argument in self.named.items()},
        )


def _built(argument: Any) -> Any:
    return argument.build() if isinstance(argument, Recipe) else argument
