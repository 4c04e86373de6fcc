"""The network that an architecture builds, and the parts of which it is the composition."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

from torch import Tensor, nn

from plugnas.modules import Site
from plugnas.modules._parts import BatchNorm2d
from plugnas.space.block import BlockSpec
from plugnas.space.options import Choice
from plugnas.space.piece import Piece, Shape, build_choice


@dataclass(frozen=True)
class StemSpec:
    """k x k convolution, batch norm, ReLU."""

    in_channels: int
    width: int
    kernel_size: int
    stride: int

    def build(self, shape: Shape) -> nn.Module:
        """Return (B, Cin, H, W) -> (B, width, ceil(H / stride), ceil(W / stride))."""
        conv = nn.Conv2d(
            self.in_channels, self.width, self.kernel_size, self.stride, self.kernel_size // 2,
            bias=False,
        )  # fmt: skip
        return nn.Sequential(conv, BatchNorm2d(self.width), nn.ReLU())


@dataclass(frozen=True)
class ContextSpec:
    """A context module on the last map."""

    channels: int
    context: Choice

    def build(self, shape: Shape) -> nn.Module:
        """Return (B, C, H, W) -> the same."""
        return build_choice(self.context, "context", Site(*shape))


@dataclass(frozen=True)
class HeadSpec:
    """Pooling and the linear classifier."""

    channels: int
    pooling: Choice
    classes: int

    def build(self, shape: Shape) -> nn.Module:
        """Return (B, C, H, W) -> logits (B, classes)."""
        pooling = build_choice(self.pooling, "pooling", Site(*shape))
        features: int = getattr(pooling, "out_features")  # noqa: B009 - the pooling contract
        classifier = nn.Linear(features, self.classes)
        return nn.Sequential(OrderedDict(pooling=pooling, classifier=classifier))


class Spec(Protocol):
    """What a part is: a frozen dataclass that builds it; it may have a ``key`` and ``pieces``."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the part for a map (C, H, W)."""


@dataclass(frozen=True)
class Part:
    """One part of a network: where it stands, what it is, and the (C, H, W) that enters it."""

    position: str
    spec: Spec
    input_shape: Shape
    beside: int = 0  # values of maps that wait for the decoder while the part runs

    @property
    def key(self) -> str:
        """Canonical text of what the part is, whatever its position."""
        if (own := getattr(self.spec, "key", None)) is not None:
            return str(own)
        words = [type(self.spec).__name__.removesuffix("Spec").lower()]
        for field in fields(self.spec):  # type: ignore[arg-type]
            value = getattr(self.spec, field.name)
            words.append(f"{field.name}={value.text if isinstance(value, Choice) else value}")
        return " ".join(words)

    def build(self) -> nn.Module:
        """Build the part alone, with fresh weights."""
        return self.spec.build(self.input_shape)

    def pieces(self) -> tuple[Piece, ...]:
        """Return the pieces of which the part is made; few, where parts are many."""
        own: Callable[[Shape], tuple[Piece, ...]] | None = getattr(self.spec, "pieces", None)
        if own is not None:
            return own(self.input_shape)
        return (Piece(self.key, (self.input_shape,), self.build),)


class Network(nn.Sequential):
    """Stem, stages of blocks, context, decoder, head: images (B, C, H, W) -> logits (B, classes).

    Made of ``Part``s in order; children are named as positions are (``stage1.block2``). Each level
    of a decoder takes in the map of the encoder's child that it names, and a dense head gives
    logits (B, classes, H, W) of the images' size.
    """

    def __init__(self, parts: tuple[Part, ...]) -> None:
        tree: OrderedDict[str, nn.Module] = OrderedDict()
        for part in parts:
            outer, _, inner = part.position.partition(".")
            if inner:
                tree.setdefault(outer, nn.Sequential()).add_module(inner, part.build())
            else:
                tree[outer] = part.build()
        super().__init__(tree)
        self.parts = parts
        self.sources = [str(p.spec.source) for p in parts if hasattr(p.spec, "source")]
        self.dense = not hasattr(parts[-1].spec, "pooling")

    def forward(self, images: Tensor) -> Tensor:
        x, kept = images, OrderedDict[str, Tensor]()
        for name, child in self.named_children():
            if name == "decoder":
                for level, source in zip(child.children(), self.sources, strict=True):
                    x = level(x, kept.pop(source))
            elif name == "head" and self.dense:
                x = child(x, images.shape[-2:])
            else:
                x = child(x)
            if name in self.sources:
                kept[name] = x
        return x

    def __repr__(self) -> str:
        lines, stage = [f"Network  # input {_size(self.parts[0].input_shape)}"], ""
        for part in self.parts:
            outer, _, inner = part.position.partition(".")
            if inner and outer != stage:
                lines.append(f"  {outer}:")
            stage = outer
            indent = "    " if inner else "  "
            lines.append(f"{indent}{inner or outer}: {_describe(part)}")
        return "\n".join(lines)


def _describe(part: Part) -> str:
    """One line in the job's own words, and the shapes in and out."""
    spec, shape = part.spec, _size(part.input_shape)
    if isinstance(spec, StemSpec):
        return (
            f"{{width: {spec.width}, kernel_size: {spec.kernel_size}}}  # {shape} -> {spec.width}"
        )
    slots = [f.name for f in fields(spec) if isinstance(getattr(spec, f.name), Choice)]  # type: ignore[arg-type]
    chosen = ", ".join(f"{slot}: {getattr(spec, slot).text}" for slot in slots)
    if isinstance(spec, BlockSpec):
        after = (spec.out_channels, *(math.ceil(n / spec.stride) for n in part.input_shape[1:]))
        return f"{{{chosen}}}  # {shape} -> {_size(after)}"
    if (classes := getattr(spec, "classes", None)) is not None:
        return f"{{{chosen}}}  # {shape} -> {classes} classes"
    return f"{{{chosen}}}  # {shape}"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
