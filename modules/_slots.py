"""The slots: tensor contracts into which modules fit, and the site at which one stands.

A slot is one object: how its modules are built at a site, what enters them, what leaves them. The
registry, the adapters of a space, the conformance walk and the reports all ask it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules._recipe import Recipe


@dataclass(frozen=True)
class Site:
    """Where a module would stand: the shape that enters it, batch left out.

    ``channels``, ``height`` and ``width`` are those of the input; ``out_channels`` (the input's if
    None) and ``stride`` matter to operators only, ``scale`` to upsampling only. A sequence of T
    steps is ``height=1, width=T``.
    """

    channels: int
    height: int
    width: int
    stride: int = 1
    out_channels: int | None = None
    scale: int = 2

    @property
    def width_out(self) -> int:
        """Output channels: ``out_channels``, or ``channels`` where it is None."""
        return self.channels if self.out_channels is None else self.out_channels

    def __str__(self) -> str:
        """``64x32x32``, with the stride and the output channels where they differ."""
        text = f"{self.channels}x{self.height}x{self.width}"
        if self.width_out != self.channels:
            text += f" to {self.width_out} channels"
        return text + (f" with stride {self.stride}" if self.stride != 1 else "")


@dataclass(frozen=True)
class Slot:
    """A contract, written for readers and as functions; this one is (B, C, H, W) -> same.

    ``sites`` are small sites of every kind that a module must get right (odd sides, one pixel,
    widths that few numbers divide); at the first of them everything must work.
    """

    name: str
    constructor: str
    forward: str
    sites: tuple[Site, ...] = (
        Site(16, 7, 9),
        Site(12, 1, 1),
        Site(32, 16, 16),
        Site(10, 5, 2),
    )
    of_the_site: tuple[str, ...] = ()  # keyword-only parameters that no setting may choose

    def arguments(self, cls: type[nn.Module], site: Site) -> tuple[tuple[int, ...], dict[str, int]]:
        """Return the arguments that the site gives to ``cls``: positional, and by name."""
        return (site.channels,), {}

    def recipe(self, cls: type[nn.Module], site: Site, setting: Mapping[str, Any]) -> Recipe:
        """Return how a class of the slot is built at a site, whatever its declaration refuses."""
        positional, named = self.arguments(cls, site)
        return Recipe(cls, positional, {**named, **setting})

    def build(self, cls: type[nn.Module], site: Site, setting: Mapping[str, Any]) -> nn.Module:
        """Build a class of the slot at a site, whatever its declaration refuses."""
        return self.recipe(cls, site, setting).build()

    def on_map(self, site: Site) -> Site:
        """Return the site for this slot on a map: the map itself; for a sequence, one row of it."""
        return site

    def inputs(
        self,
        site: Site,
        batch: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, ...]:
        """Return random inputs of ``batch`` samples that keep the contract.

        Args:
            site: the place: channels, height, width.
            batch: B, samples.
            generator: where the numbers come from; torch's own if None.
            device: where the inputs are; torch's default if None.
            dtype: of the inputs; torch's default if None.
        """
        shape = (batch, site.channels, site.height, site.width)
        return (torch.randn(shape, generator=generator, device=device, dtype=dtype),)

    def keywords(self, site: Site) -> dict[str, Any]:
        """Return the keyword arguments that ``forward`` takes beside the inputs."""
        return {}

    def output_shape(self, site: Site, batch: int, module: nn.Module) -> tuple[int, ...]:
        """Return the shape that the contract promises for ``module``'s output."""
        return (batch, site.channels, site.height, site.width)


class _Operator(Slot):
    def arguments(self, cls: type[nn.Module], site: Site) -> tuple[tuple[int, ...], dict[str, int]]:
        return (site.channels, site.width_out), {"stride": site.stride}

    def output_shape(self, site: Site, batch: int, module: nn.Module) -> tuple[int, ...]:
        height, width = (math.ceil(n / site.stride) for n in (site.height, site.width))
        return (batch, site.width_out, height, width)


class _Mixer(Slot):
    def inputs(self, site: Site, batch: int, **kind: Any) -> tuple[Tensor, ...]:
        return (torch.randn((batch, site.height * site.width, site.channels), **kind),)

    def keywords(self, site: Site) -> dict[str, Any]:
        return {"size": (site.height, site.width)}

    def output_shape(self, site: Site, batch: int, module: nn.Module) -> tuple[int, ...]:
        return (batch, site.height * site.width, site.channels)


class _Fusion(Slot):
    def inputs(self, site: Site, batch: int, **kind: Any) -> tuple[Tensor, ...]:
        return (*super().inputs(site, batch, **kind), *super().inputs(site, batch, **kind))


class _Upsampling(Slot):
    def arguments(self, cls: type[nn.Module], site: Site) -> tuple[tuple[int, ...], dict[str, int]]:
        return (site.channels,), {"scale": site.scale}

    def output_shape(self, site: Site, batch: int, module: nn.Module) -> tuple[int, ...]:
        return (batch, site.channels, site.scale * site.height, site.scale * site.width)


class _Pooling(Slot):
    def output_shape(self, site: Site, batch: int, module: nn.Module) -> tuple[int, ...]:
        features: int = getattr(module, "out_features")  # noqa: B009 - the pooling contract
        return (batch, features)


class _Activation(Slot):
    def arguments(self, cls: type[nn.Module], site: Site) -> tuple[tuple[int, ...], dict[str, int]]:
        learns = "channels" in inspect.signature(cls).parameters
        return ((site.channels,) if learns else ()), {}


class _Sequence(Slot):
    def on_map(self, site: Site) -> Site:
        return Site(site.channels, 1, site.width)

    def inputs(self, site: Site, batch: int, **kind: Any) -> tuple[Tensor, ...]:
        return (torch.randn((batch, site.channels, site.width), **kind),)

    def output_shape(self, site: Site, batch: int, module: nn.Module) -> tuple[int, ...]:
        return (batch, site.channels, site.width)


class _Region(Slot):
    """One box per position of the map, as a detector asks, anywhere on it."""

    def inputs(self, site: Site, batch: int, **kind: Any) -> tuple[Tensor, ...]:
        boxes = site.height * site.width
        feature = torch.randn((batch, 4 * site.channels, site.height, site.width), **kind)
        sides = torch.tensor([site.width, site.height], device=kind.get("device"))
        corner = torch.rand((batch, boxes, 2), **kind) * (sides - 1)
        size = torch.rand((batch, boxes, 2), **kind) * sides / 2 + 0.5
        return feature, torch.cat([corner, corner + size], dim=-1).to(kind.get("dtype"))

    def output_shape(self, site: Site, batch: int, module: nn.Module) -> tuple[int, ...]:
        return (batch, site.channels, site.height * site.width, 4)


_STRIDED = (
    Site(16, 7, 9, 1, 16),
    Site(16, 7, 9, 2, 24),
    Site(12, 1, 1, 1, 12),
    Site(10, 5, 2, 2, 14),
    Site(32, 16, 16, 2, 32),
    Site(3, 8, 8, 1, 16),
)
_STEPS = (Site(16, 1, 9), Site(12, 1, 1), Site(32, 1, 40), Site(10, 1, 5))
_SCALED = (Site(16, 7, 9), Site(12, 1, 1), Site(32, 8, 8, scale=4), Site(10, 5, 2, scale=3))
_MADE = "(in_channels, out_channels, *, stride=1, ...)"
_SAME = "(B, C, H, W) -> same"
_STRIDES = "(B, Cin, H, W) -> (B, Cout, ceil(H/s), ceil(W/s))"
_CHANNELS = "(channels, *, ...)"

# The one place where the contracts are written down, in the order in which the zoo is listed.
SLOTS: dict[str, Slot] = {
    slot.name: slot
    for slot in (
        _Operator("operator", _MADE, _STRIDES, _STRIDED, ("stride",)),
        Slot("attention", _CHANNELS, _SAME),
        _Mixer("mixer", _CHANNELS, "tokens (B, N, C) with size=(H, W) -> (B, N, C)"),
        Slot("context", _CHANNELS, f"{_SAME}, seeing many scales"),
        _Fusion(
            "fusion",
            _CHANNELS,
            "x, y, ... (two or more), all (B, C, H, W) -> same; the later may be coarser",
        ),
        _Upsampling(
            "upsampling",
            "(channels, *, scale=2, ...)",
            "(B, C, H, W) -> (B, C, sH, sW)",
            _SCALED,
            ("scale",),
        ),
        _Pooling("pooling", _CHANNELS, "(B, C, H, W) -> (B, F), with out_features"),
        _Activation(
            "activation",
            "(), or (channels) where it learns",
            "elementwise",
            (Site(16, 7, 9), Site(3, 1, 1)),
        ),
        _Sequence("sequence", _CHANNELS, "(B, C, T) -> same", _STEPS),
        Slot("stage", _CHANNELS, f"{_SAME}; several branches inside"),
        _Region("region", _CHANNELS, "feature (B, 4C, H, W), boxes (B, K, 4) -> (B, C, K, 4)"),
        _Operator(
            "transform", _MADE, f"{_STRIDES}; rewrites itself in fuse()", _STRIDED, ("stride",)
        ),
    )
}
