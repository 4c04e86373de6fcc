"""From an architecture's values to the parts of its network; nothing but the values is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from plugnas import modules
from plugnas.space.block import BlockSpec
from plugnas.space.decoder import DenseHeadSpec, LevelSpec
from plugnas.space.errors import SpaceError
from plugnas.space.levels import DECODER_SLOTS, joins_of, size_after, waiting, waiting_above
from plugnas.space.network import ContextSpec, HeadSpec, Network, Part, StemSpec
from plugnas.space.options import Choice
from plugnas.space.parameter import Token
from plugnas.space.piece import Shape

if TYPE_CHECKING:
    from plugnas.space.architecture import Architecture

BLOCK_SLOTS = ("operator", "attention", "fusion", "activation")
Values = Mapping[str, Token]


def scoped_name(slot: str, stage: int, block: int, scope: str) -> str:
    """Return the parameter that holds a slot of a block, by the scope of the slot.

    Args:
        slot: the slot's name.
        stage: the stage, counted from 1.
        block: the block in it, counted from 1.
        scope: `block`, `stage` or `network`.
    """
    prefix = {"block": f"stage{stage}.block{block}.", "stage": f"stage{stage}.", "network": ""}
    return prefix[scope] + slot


def parts_of(values: Values) -> tuple[Part, ...]:
    """Return the parts of the network that the values describe, in order.

    Raises:
        SpaceError: a value that the network needs is missing, or names no module or setting.
    """
    parts = [part_at("stem", values)]
    stage = 1
    while f"stage{stage}.depth" in values:
        for block in range(1, int(values[f"stage{stage}.depth"]) + 1):
            parts.append(part_at(f"stage{stage}.block{block}", values))
        stage += 1
    parts.append(part_at("context", values))
    for level in range(1, int(values.get("decoder.levels", 0)) + 1):
        parts.append(part_at(f"decoder.level{level}", values))
    parts.append(part_at("head", values))
    return tuple(part for part in parts if part is not None)


def network_of(architecture: Architecture) -> Network:
    """Return a skeleton's network with fresh weights: its values say all, so no space is needed.

    Raises:
        SpaceError: as ``parts_of``. RefusedError: a module refuses its site.
    """
    return Network(parts_of(architecture.values))


def part_at(position: str, values: Values) -> Part | None:
    """Return the part at a position, or None where the depth leaves it out.

    Only the values on which the part depends are looked at.
    """
    try:
        if position == "stem":
            return _stem(values)
        if position.startswith("stage"):
            stage, block = position.removeprefix("stage").split(".block")
            return _block(int(stage), int(block), values)
        if position.startswith("decoder."):
            return _level(int(position.removeprefix("decoder.level")), values)
        if position == "context":
            shape = _last_map(values)
            spec = ContextSpec(shape[0], choice_at("context", values))
            return Part("context", spec, shape, waiting(_last_stage(values) + 1, 2, values))
        return _head(values)
    except KeyError as error:
        raise SpaceError(
            f"the architecture lacks the value {error} that {position} needs"
        ) from None


def choice_at(name: str, values: Values) -> Choice:
    """Return the module that a parameter names, with the settings that stand below it."""
    entry = modules.get(str(values[name]))
    prefix = f"{name}.{entry.key}."
    setting = []
    for setting_name, choices in entry.choices.items():
        if (given := values.get(prefix + setting_name)) is not None:
            by_token = {modules.token(value): value for value in choices}
            if given not in by_token:
                raise SpaceError(f"{prefix}{setting_name} must be one of {list(by_token)}")
            setting.append((setting_name, by_token[given]))
    return Choice(entry.key, tuple(setting))


def default_of(name: str) -> Token | None:
    """Return the default of a setting's parameter (``...attention.se.reduction``), else None."""
    *_, key, setting = ["", *name.split(".")]
    try:
        return modules.token(modules.get(key).defaults[setting])
    except (modules.UnknownModuleError, KeyError):
        return None


def input_shape(values: Values) -> Shape:
    """Return the (C, H, W) of the images."""
    channels, height, width = map(int, str(values["input"]).split("x"))
    return channels, height, width


def map_before(stage: int, values: Values) -> Shape:
    """Return the (C, H, W) that enters a stage, counted from 1."""
    _, height, width = input_shape(values)
    strides = [int(values["stem.stride"])]
    strides += [int(values[f"stage{s}.stride"]) for s in range(1, stage)]
    for stride in strides:
        height, width = math.ceil(height / stride), math.ceil(width / stride)
    before = "stem.width" if stage == 1 else f"stage{stage - 1}.width"
    return int(values[before]), height, width


def _stem(values: Values) -> Part:
    shape = input_shape(values)
    kernel, stride = int(values["stem.kernel_size"]), int(values["stem.stride"])
    return Part("stem", StemSpec(shape[0], int(values["stem.width"]), kernel, stride), shape)


def _block(stage: int, block: int, values: Values) -> Part | None:
    if block > int(values[f"stage{stage}.depth"]):
        return None
    shape, width = map_before(stage, values), int(values[f"stage{stage}.width"])
    stride = int(values[f"stage{stage}.stride"])
    if block > 1:
        shape = (width, math.ceil(shape[1] / stride), math.ceil(shape[2] / stride))
        stride = 1
    slots = {slot: choice_at(_holder(slot, stage, block, values), values) for slot in BLOCK_SLOTS}
    spec = BlockSpec(shape[0], width, stride, **slots)
    return Part(f"stage{stage}.block{block}", spec, shape, waiting(stage, block, values))


def _level(level: int, values: Values) -> Part | None:
    if level > int(values["decoder.levels"]):
        return None
    join, width = joins_of(values)[level - 1], int(values["decoder.width"])
    below = _last_map(values) if level == 1 else _level_map(level - 1, values)
    slots = {slot: choice_at(_level_holder(slot, level, values), values) for slot in DECODER_SLOTS}
    height, across = size_after(join.stage, values)
    skip = int(values[join.width])
    spec = LevelSpec(join.source, skip, height, across, width, join.scale, **slots)
    return Part(f"decoder.level{level}", spec, below, waiting_above(level, values))


def _level_map(level: int, values: Values) -> Shape:
    return int(values["decoder.width"]), *size_after(joins_of(values)[level - 1].stage, values)


def _level_holder(slot: str, level: int, values: Values) -> str:
    name = f"decoder.level{level}.{slot}"
    return name if name in values else f"decoder.{slot}"


def _head(values: Values) -> Part:
    levels, classes = int(values.get("decoder.levels", 0)), int(values["classes"])
    shape = _level_map(levels, values) if levels else _last_map(values)
    if "head" not in values:
        return Part("head", HeadSpec(shape[0], choice_at("pooling", values), classes), shape)
    _, height, width = input_shape(values)
    return Part("head", DenseHeadSpec(shape[0], classes, height, width), shape)


def _holder(slot: str, stage: int, block: int, values: Values) -> str:
    for scope in ("block", "stage"):
        if (name := scoped_name(slot, stage, block, scope)) in values:
            return name
    return slot


def _last_stage(values: Values) -> int:
    last = 1
    while f"stage{last + 1}.width" in values:
        last += 1
    return last


def _last_map(values: Values) -> Shape:
    return map_before(_last_stage(values) + 1, values)
