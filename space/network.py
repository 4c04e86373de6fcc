"""The network that an architecture builds, and the parts of which it is the composition."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Protocol

from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import BatchNorm2d
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
class BlockSpec:
    """One block: what stands in each of its slots, and the shapes around it."""

    in_channels: int
    out_channels: int
    stride: int
    operator: Choice
    attention: Choice
    fusion: Choice
    activation: Choice

    def build(self, shape: Shape) -> nn.Module:
        """Return (B, Cin, H, W) -> (B, Cout, ceil(H / stride), ceil(W / stride))."""
        return Block(self, shape)

    def sites(self, shape: Shape) -> tuple[Site, Site]:
        """Return the sites of the operator and of what follows it."""
        before = Site(*shape, stride=self.stride, out_channels=self.out_channels)
        size = (math.ceil(before.height / self.stride), math.ceil(before.width / self.stride))
        return before, Site(self.out_channels, *size)

    def pieces(self, shape: Shape) -> tuple[Piece, ...]:
        """Return operator with norm, activation, attention, shortcut and fusion, one by one."""
        before, after = self.sites(shape)
        out = (after.channels, after.height, after.width)
        x, y = math.prod(shape), math.prod(out)

        def slot(name: str, inputs: tuple[Shape, ...], beside: int) -> Piece:
            choice: Choice = getattr(self, name)
            build = partial(build_choice, choice, name, after)
            return Piece(f"{name} {choice.text}", inputs, build, beside)

        operator = Piece(
            f"operator {self.operator.text} {self.out_channels} stride {self.stride}",
            (shape,),
            lambda: Normed(build_choice(self.operator, "operator", before), self.out_channels),
        )
        found = [operator, slot("activation", (out,), x), slot("attention", (out,), x)]
        moves = self.stride > 1 or self.in_channels != self.out_channels
        if moves:
            key = f"shortcut {self.out_channels} stride {self.stride}"
            found.append(Piece(key, (shape,), partial(_shortcut, self), y))
        found.append(slot("fusion", (out, out), x if moves else 0))
        return tuple(found)


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


def build_choice(choice: Choice, slot: str, site: Site) -> nn.Module:
    """Build what a choice names for a slot at a site."""
    return adapters.build(modules.get(choice.key), slot, site, dict(choice.setting))


class Block(nn.Module):
    """fusion(shortcut(x), attention(activation(norm(operator(x))))).

    The shortcut is the identity where the shape stays; else average pooling by the stride, a
    pointwise convolution and a norm.
    """

    def __init__(self, spec: BlockSpec, shape: Shape) -> None:
        super().__init__()
        site, after = spec.sites(shape)
        self.operator = build_choice(spec.operator, "operator", site)
        self.norm: nn.Module = BatchNorm2d(spec.out_channels)
        self.activation = build_choice(spec.activation, "activation", after)
        self.attention = build_choice(spec.attention, "attention", after)
        self.shortcut = _shortcut(spec)
        self.fusion = build_choice(spec.fusion, "fusion", after)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention(self.activation(self.norm(self.operator(x))))
        return self.fusion(self.shortcut(x), y)

    def fuse(self) -> nn.Module:
        """Fold the norm into the operator where that is, or ends in, a plain convolution."""
        self.operator, self.norm = _fold_norm(self.operator, self.norm)
        return self


class Normed(nn.Module):
    """An operator and its norm alone: norm(operator(x)), as a block begins."""

    def __init__(self, operator: nn.Module, channels: int) -> None:
        super().__init__()
        self.operator: nn.Module = operator
        self.norm: nn.Module = BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.operator(x))

    def fuse(self) -> nn.Module:
        """Fold as a block does."""
        self.operator, self.norm = _fold_norm(self.operator, self.norm)
        return self


def _fold_norm(operator: nn.Module, norm: nn.Module) -> tuple[nn.Module, nn.Module]:
    if can_fold(operator, norm):
        return fold(operator, norm), nn.Identity()
    if (
        isinstance(operator, nn.Sequential)
        and type(operator).forward is nn.Sequential.forward
        and can_fold(operator[-1], norm)
    ):
        operator[-1] = fold(operator[-1], norm)
        return operator, nn.Identity()
    return operator, norm


def _shortcut(spec: BlockSpec) -> nn.Module:
    if spec.stride == 1 and spec.in_channels == spec.out_channels:
        return nn.Identity()
    layers: list[nn.Module] = [
        nn.Conv2d(spec.in_channels, spec.out_channels, 1, bias=False),
        BatchNorm2d(spec.out_channels),
    ]
    if spec.stride > 1:
        layers.insert(0, nn.AvgPool2d(spec.stride, ceil_mode=True, count_include_pad=False))
    return nn.Sequential(*layers)


class Network(nn.Sequential):
    """Stem, stages of blocks, context, head: images (B, C, H, W) -> logits (B, classes).

    Made of ``Part``s in order; children are named as positions are (``stage1.block2``).
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
    if isinstance(spec, HeadSpec):
        return f"{{{chosen}}}  # {shape} -> {spec.classes} classes"
    return f"{{{chosen}}}  # {shape}"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
