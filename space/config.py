"""What the ``space:`` section of a job may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

# A slot's choices: registry keys, `all`, {key: {setting: value or list}}, {family: name},
# {slot: name}, {exclude: [keys]}.
Choices = list[str | dict[str, Any]] | str
# Their ranges are checked in sizes.py: inside a choice of a number or a list, msgspec (0.22) takes
# a range for another one.
Ints = int | list[int]
# What is above the limit is a typing error, and would only be noticed by memory running out.
Step = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class StemConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first convolution: k x k, batch norm, ReLU."""

    width: Ints = 16
    """Channels; several are a choice."""
    kernel_size: Step = 3
    """Side of the kernel, odd."""
    stride: Step = 1
    """Step; 2 halves the map."""


class StageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of blocks of one width; the first has the stride."""

    width: Ints
    """Channels; several are a choice."""
    depth: Ints = 1
    """Number of blocks; several are a choice."""
    stride: Step = 1
    """Step of the first block."""


class SlotConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choices with a scope: chosen anew per block, once per stage, or once for the network."""

    choices: Choices
    """Keys of the zoo, with settings where wanted; see the page on spaces."""
    scope: Literal["block", "stage", "network"] = "block"
    """Chosen for each `block`, once for each `stage`, or once for the `network`."""


class SlotsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The slots of a block."""

    operator: SlotConfig | Choices = "conv"
    """What computes the block."""
    attention: SlotConfig | Choices = "none"
    """What weighs its output."""
    fusion: SlotConfig | Choices = "add"
    """What joins it with the shortcut."""
    activation: SlotConfig | Choices = "relu"
    """The nonlinearity."""


class LevelSlotConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choices of a decoder with a scope: chosen anew per level, or once for the decoder."""

    choices: Choices
    """Keys of the zoo, with settings where wanted; see the page on spaces."""
    scope: Literal["level", "decoder"] = "level"
    """Chosen for each `level`, or once for the `decoder`."""


class DecoderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Levels that grow the last map again, each taking in a map of the encoder; dense tasks."""

    levels: Ints | None = None
    """Number of levels, from the smallest map; several are a choice; all if left out."""
    width: Ints = 32
    """Channels of every level; several are a choice."""
    upsampling: LevelSlotConfig | Choices = "bilinear"
    """How the map from below becomes as large as the encoder's."""
    fusion: LevelSlotConfig | Choices = "add"
    """What joins the encoder's map with the one from below."""
    operator: LevelSlotConfig | Choices = "conv"
    """What computes the level."""
    attention: LevelSlotConfig | Choices = "none"
    """What weighs its output."""
    activation: LevelSlotConfig | Choices = "relu"
    """The nonlinearity."""


class HostConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's own network, into which modules are plugged."""

    model: str
    """``package.module:callable``, ``file.py:callable``, or ``timm:NAME``."""
    arguments: dict[str, Any] = {}
    """Keyword arguments of the callable."""
    weights: str | None = None
    """A file (safetensors, or .pth), ``default`` for the library's own, or nothing: fresh ones."""
    classifier: str | list[str] | None = None
    """The layers that make the classes; they are found where this is left out."""


class SiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sites of the host, by a pattern of their paths, and what may be plugged in there."""

    slot: str
    """``attention``, ``context``, ``operator`` or ``activation``."""
    choices: Choices
    """As in a slot; ``none`` plugs nothing, ``keep`` replaces nothing."""
    after: str | None = None
    """Pattern of the paths after which a module comes."""
    replace: str | None = None
    """Pattern of the paths in whose place a module comes."""
    together: Literal["each", "stage", "all"] = "each"
    """A choice for each site, one for all whose maps have the same size, or one for all."""


class SpaceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A skeleton with slots (``stages``), or a host with sites (``host``), and the choices."""

    stages: list[StageConfig] = []
    """The stages of a skeleton."""
    stem: StemConfig = msgspec.field(default_factory=StemConfig)
    """The first convolution of a skeleton."""
    slots: SlotsConfig = msgspec.field(default_factory=SlotsConfig)
    """The slots of every block of a skeleton."""
    context: Choices = "none"
    """A module over the last map of a skeleton that sees many scales."""
    pooling: Choices = "gap"
    """From the last map to features; not of a task that answers for each pixel."""
    decoder: DecoderConfig | None = None
    """Levels that grow the last map again, for a task that answers for each pixel."""
    host: HostConfig | None = None
    """Your own network, in place of a skeleton."""
    sites: list[SiteConfig] = []
    """Where modules may be plugged into the host, and which."""
    start: Literal["identity", "plain"] = "identity"
    """``identity``: a plugged module changes nothing until it is trained; ``plain``: at once."""
