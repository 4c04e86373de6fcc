"""The ``space:`` section of a job, with its training settings, compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugnas.space import training
from plugnas.space.config import SpaceConfig
from plugnas.space.host.blueprint import HostBlueprint
from plugnas.space.host.records import HostTrace
from plugnas.space.parameter import Parameter
from plugnas.space.piece import Shape
from plugnas.space.sized import SizedBlueprint
from plugnas.space.sizes import Head
from plugnas.space.tree_size import count_tree
from plugnas.space.typed import convert

Compiled = SizedBlueprint | HostBlueprint


def compiled(
    config: Mapping[str, Any] | SpaceConfig,
    input_shape: Shape,
    classes: int,
    base: Path | str,
    trace: HostTrace | None,
    head: Head,
    recipe: training.Recipe,
) -> tuple[Compiled, list[Parameter]]:
    """Return the network's blueprint and the parameters of how it is trained.

    The arguments are those of ``SearchSpace.from_config``.

    Args:
        config: the section.
        input_shape: (C, H, W) of an image.
        classes: outputs of the network.
        base: where a host's paths begin.
        trace: a host's sites.
        head: what a skeleton ends in.
        recipe: training settings.

    Raises:
        SpaceError, ConfigError: the section says what cannot be.
    """
    if not isinstance(config, SpaceConfig):
        config = convert(config, SpaceConfig, "space")
    settings = training.parameters(recipe)
    if config.host is not None or config.sites:
        training.check_host(recipe)
        return HostBlueprint.of(config, input_shape, classes, Path(base), trace), settings
    shapes = training.shapes(recipe, input_shape)
    return SizedBlueprint(config, shapes, classes, head), settings


def size_of(blueprint: Compiled, settings: Sequence[Parameter]) -> int:
    """Return the exact number of architectures: settings are chosen freely."""
    return count_tree(settings) * blueprint.count()


__all__ = ["Compiled", "compiled", "size_of"]
