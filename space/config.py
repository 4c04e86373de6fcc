"""What the ``space:`` section of a job may say."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

# A slot's choices: registry keys, `all`, {key: {setting: value or list}}, {family: name},
# {slot: name}, {exclude: [keys]}.
Choices = list[str | dict[str, Any]] | str
Ints = int | list[int]


class StemConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first convolution: k x k, batch norm, ReLU."""

    width: Ints = 16
    kernel_size: int = 3
    stride: int = 1


class StageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of blocks of one width; the first has the stride."""

    width: Ints
    depth: Ints = 1
    stride: int = 1


class SlotConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choices with a scope: chosen anew per block, once per stage, or once for the network."""

    choices: Choices
    scope: Literal["block", "stage", "network"] = "block"


class SlotsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The slots of a block."""

    operator: SlotConfig | Choices = "conv"
    attention: SlotConfig | Choices = "none"
    fusion: SlotConfig | Choices = "add"
    activation: SlotConfig | Choices = "relu"


class SpaceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Skeleton and choices."""

    stages: list[StageConfig]
    stem: StemConfig = msgspec.field(default_factory=StemConfig)
    slots: SlotsConfig = msgspec.field(default_factory=SlotsConfig)
    context: Choices = "none"
    pooling: Choices = "gap"
