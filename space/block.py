"""The block of which a skeleton's stages are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from plugnas.modules import Site
from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import BatchNorm2d
from plugnas.space.options import Choice
from plugnas.space.piece import Piece, Shape, build_choice


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
            found.append(Piece(key, (shape,), partial(shortcut_of, self), y))
        found.append(slot("fusion", (out, out), x if moves else 0))
        return tuple(found)


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
        self.shortcut = shortcut_of(spec)
        self.fusion = build_choice(spec.fusion, "fusion", after)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention(self.activation(self.norm(self.operator(x))))
        return self.fusion(self.shortcut(x), y)

    def fuse(self) -> nn.Module:
        """Fold the norm into the operator where that is, or ends in, a plain convolution."""
        self.operator, self.norm = fold_norm(self.operator, self.norm)
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
        self.operator, self.norm = fold_norm(self.operator, self.norm)
        return self


def fold_norm(operator: nn.Module, norm: nn.Module) -> tuple[nn.Module, nn.Module]:
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


def shortcut_of(spec: BlockSpec) -> nn.Module:
    if spec.stride == 1 and spec.in_channels == spec.out_channels:
        return nn.Identity()
    layers: list[nn.Module] = [
        nn.Conv2d(spec.in_channels, spec.out_channels, 1, bias=False),
        BatchNorm2d(spec.out_channels),
    ]
    if spec.stride > 1:
        layers.insert(0, nn.AvgPool2d(spec.stride, ceil_mode=True, count_include_pad=False))
    return nn.Sequential(*layers)


__all__ = ["Block", "BlockSpec", "Normed", "fold_norm", "shortcut_of"]
