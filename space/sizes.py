"""The sizes of a skeleton: widths, depths and strides as a job may give them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from plugnas.space.config import Ints, SpaceConfig
from plugnas.space.errors import SpaceError
from plugnas.space.piece import Shape
from plugnas.space.typed import check_types

Head = Literal["pooled", "dense"]
"""What a network ends in: one answer for each image, or one for each pixel."""


def ints(value: int | list[int]) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def halve(height: int, width: int, stride: int) -> tuple[int, int]:
    return math.ceil(height / stride), math.ceil(width / stride)


# What is above is a typing error, and would only be noticed by memory running out, or by the
# minutes that a space of hundreds of blocks takes to compile.
_WIDTH, _DEPTH = 65_536, 64


def check(config: SpaceConfig, input_shape: Shape, classes: int, head: Head) -> None:
    """Refuse numbers of a skeleton that no network has, and a head that its task has not.

    Args:
        config: the section.
        input_shape: (C, H, W) of an image.
        classes: outputs of the network.
        head: what the task needs.

    Raises:
        SpaceError, ConfigError: such a number, with the law and what to do.
    """

    def need(name: str, value: Ints, at_most: int) -> None:
        values = ints(value)
        if not values or min(values) < 1 or max(values) > at_most or len(set(values)) < len(values):
            raise SpaceError(f"{name}: numbers from 1 to {at_most}, each once, but got {value}")

    if not config.stages:
        raise SpaceError(
            "space.stages: a network needs at least one stage, so the key `stages` is required; "
            "for a network of your own give `host` and `sites` instead"
        )
    if min(input_shape) < 1 or classes < 1:
        raise SpaceError(
            f"images of at least 1x1x1 and one output are needed, but got {input_shape} "
            f"and {classes}"
        )
    for part in (config.stem, *config.stages):
        check_types(part)  # a file's were checked when it was read, but code may have made these
    need("space.stem.width", config.stem.width, _WIDTH)
    if config.stem.kernel_size % 2 == 0:
        raise SpaceError(f"space.stem.kernel_size: must be odd, but got {config.stem.kernel_size}")
    for s, stage in enumerate(config.stages):
        need(f"space.stages[{s}].width", stage.width, _WIDTH)
        need(f"space.stages[{s}].depth", stage.depth, _DEPTH)
    _check_head(config, head)
    if config.decoder is not None:
        need("space.decoder.width", config.decoder.width, _WIDTH)
        strided = sum(stage.stride > 1 for stage in config.stages)
        if not strided:
            raise SpaceError(
                "space.decoder grows the map again level by level, but no stage makes it smaller: "
                "give a stage `stride: 2`, or leave `decoder` out"
            )
        if config.decoder.levels is not None:
            need("space.decoder.levels", config.decoder.levels, strided)


_MOST = {"width": _WIDTH, "depth": _DEPTH, "levels": _DEPTH, "stride": _WIDTH}


def check_values(values: Mapping[str, object]) -> None:
    """Refuse sizes in values of somebody else's architecture that no space of ours has.

    Raises:
        SpaceError: such a size, with the law.
    """
    for name, value in values.items():
        at_most = _MOST.get(name.rpartition(".")[2])
        if at_most is not None and not (isinstance(value, int) and 0 <= value <= at_most):
            raise SpaceError(f"`{name}` is a number from 0 to {at_most}, but got {value!s:.40}")


def _check_head(config: SpaceConfig, head: Head) -> None:
    if head == "pooled" and config.decoder is not None:
        raise SpaceError(
            "space.decoder makes an answer for each pixel, but this task needs one for each image: "
            "leave `decoder` out, or take a task such as `task: segmentation`"
        )
    if head == "dense" and config.pooling != SpaceConfig().pooling:
        raise SpaceError(
            "space.pooling makes one answer of a map, but this task needs one for each pixel: "
            "leave `pooling` out"
        )


__all__ = ["Head", "check", "check_values", "halve", "ints"]
