"""Pieces of a part: what can be built and counted alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import adapters
from plugnas.space.options import Choice

Shape = tuple[int, int, int]  # (C, H, W)


@dataclass(frozen=True)
class Piece:
    """A piece of a part that can be counted alone: what a part costs is the sum over its pieces.

    ``beside`` is the number of values that are alive while it runs, its own inputs left out;
    ``times`` is -1 for what a replacement takes out of a host.
    """

    key: str
    input_shapes: tuple[Shape, ...]
    build: Callable[[], nn.Module]
    beside: int = 0
    times: int = 1


def build_choice(choice: Choice, slot: str, site: Site) -> nn.Module:
    """Build what a choice names for a slot at a site."""
    return adapters.build(modules.get(choice.key), slot, site, dict(choice.setting))


__all__ = ["Piece", "Shape", "build_choice"]
