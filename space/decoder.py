"""The decoder of a network for dense tasks: levels that grow the map again, and the dense head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules import Site
from plugnas.modules._parts import BatchNorm2d
from plugnas.space.block import Normed, fold_norm
from plugnas.space.options import Choice
from plugnas.space.piece import Piece, Shape, build_choice


@dataclass(frozen=True)
class LevelSpec:
    """One level: what stands in each of its slots, and the maps around it.

    ``source`` is the child of the network (``stem``, ``stage2``) whose map comes in beside the one
    from below, (``skip_channels``, ``height``, ``width``); ``scale`` is how much larger it is.
    """

    source: str
    skip_channels: int
    height: int
    width: int
    out_channels: int
    scale: int
    upsampling: Choice
    fusion: Choice
    operator: Choice
    attention: Choice
    activation: Choice

    def build(self, shape: Shape) -> nn.Module:
        """Return maps (B, Cin, h, w) and (B, Cskip, H, W) -> (B, Cout, H, W)."""
        return Level(self, shape)

    def sites(self, shape: Shape) -> tuple[Site, Site]:
        """Return the sites of the upsampling and of what follows it."""
        _, height, width = shape
        before = Site(self.out_channels, height, width, scale=self.scale)
        return before, Site(self.out_channels, self.height, self.width)

    def pieces(self, shape: Shape) -> tuple[Piece, ...]:
        """Return the two projections, upsampling, fusion, operator with norm and the rest."""
        before, after = self.sites(shape)
        low: Shape = (before.channels, before.height, before.width)
        out: Shape = (after.channels, after.height, after.width)
        skip: Shape = (self.skip_channels, self.height, self.width)
        waiting, large = math.prod(skip), math.prod(out)

        def slot(name: str, at: Site, inputs: tuple[Shape, ...], beside: int = 0) -> Piece:
            choice: Choice = getattr(self, name)
            text = f" scale {self.scale}" if name == "upsampling" else ""
            build = partial(build_choice, choice, name, at)
            return Piece(f"{name} {choice.text}{text}", inputs, build, beside)

        found = []
        if shape[0] != self.out_channels:
            build = partial(projection, shape[0], self.out_channels)
            found.append(Piece(f"projection {self.out_channels}", (shape,), build, waiting))
        found.append(slot("upsampling", before, (low,), waiting))
        if self.skip_channels != self.out_channels:
            build = partial(projection, self.skip_channels, self.out_channels)
            found.append(Piece(f"projection {self.out_channels}", (skip,), build, large))
        operator = Piece(
            f"operator {self.operator.text} {self.out_channels} stride 1",
            (out,),
            lambda: Normed(build_choice(self.operator, "operator", after), self.out_channels),
        )
        return (
            *found,
            slot("fusion", after, (out, out)),
            operator,
            slot("activation", after, (out,)),
            slot("attention", after, (out,)),
        )


@dataclass(frozen=True)
class DenseHeadSpec:
    """A pointwise classifier and the upsampling of its logits to the size of the image."""

    channels: int
    classes: int
    height: int
    width: int

    def build(self, shape: Shape) -> nn.Module:
        """Return (B, C, h, w) -> logits (B, classes, H, W)."""
        return DenseHead(self.channels, self.classes, (self.height, self.width))


class Level(nn.Module):
    """attention(activation(norm(operator(fusion(lateral(skip), upsampling(lower(x))))))).

    ``lower`` and ``lateral`` are pointwise convolutions with a norm where the channels differ. The
    upsampled map is cut at the bottom and right where it is larger than the skip's, as it is where
    the encoder's stride does not divide the size. x (B, Cin, h, w), skip (B, Cskip, H, W) ->
    (B, Cout, H, W).
    """

    def __init__(self, spec: LevelSpec, shape: Shape) -> None:
        super().__init__()
        before, after = spec.sites(shape)
        self.lower = projection(shape[0], spec.out_channels)
        self.upsampling = build_choice(spec.upsampling, "upsampling", before)
        self.lateral = projection(spec.skip_channels, spec.out_channels)
        self.fusion = build_choice(spec.fusion, "fusion", after)
        self.operator = build_choice(spec.operator, "operator", after)
        self.norm: nn.Module = BatchNorm2d(spec.out_channels)
        self.activation = build_choice(spec.activation, "activation", after)
        self.attention = build_choice(spec.attention, "attention", after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        height, width = skip.shape[-2:]
        up = self.upsampling(self.lower(x))[:, :, :height, :width]
        y = self.fusion(self.lateral(skip), up)
        return self.attention(self.activation(self.norm(self.operator(y))))

    def fuse(self) -> nn.Module:
        """Fold the norm into the operator where that is, or ends in, a plain convolution."""
        self.operator, self.norm = fold_norm(self.operator, self.norm)
        return self


class DenseHead(nn.Module):
    """Pointwise convolution to the classes, then bilinear resampling to the size of the image.

    (B, C, h, w) -> (B, classes, H, W); ``size`` (H, W) is that of the images of the space unless
    ``forward`` is told another.
    """

    def __init__(self, channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.size = size

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        logits = self.classifier(x)
        size = self.size if size is None else size
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def projection(in_channels: int, out_channels: int) -> nn.Module:
    """Return a pointwise convolution with a norm; the identity where nothing changes."""
    if in_channels == out_channels:
        return nn.Identity()
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return nn.Sequential(conv, BatchNorm2d(out_channels))


__all__ = ["DenseHead", "DenseHeadSpec", "Level", "LevelSpec", "projection"]
