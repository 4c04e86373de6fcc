"""Adapters: how a module of one slot can stand in another.

Tokens (mixers) flatten the map; sequences scan its rows and columns; a module on boxes gets one box
around every position; a shape-preserving module becomes an operator behind a strided average
pooling and a pointwise projection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from plugnas.modules import Entry, PlugnasError, Recipe, Setting, Site, Value


class Tokens(nn.Module):
    """Lets a mixer work on a map: (B, C, H, W) -> tokens (B, H W, C) -> mixer -> (B, C, H, W)."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        tokens = self.mixer(x.flatten(2).transpose(1, 2), size=size)
        return tokens.transpose(1, 2).reshape(x.shape)


class Scan(nn.Module):
    """Lets a sequence module work on a map: the mean of a scan of its rows and one of its columns.

    Each direction has its own copy of the module; a row is a sequence of W steps, a column of H.
    """

    def __init__(self, rows: nn.Module, columns: nn.Module) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        rows = self.rows(x.transpose(1, 2).reshape(batch * height, channels, width))
        columns = self.columns(x.permute(0, 3, 1, 2).reshape(batch * width, channels, height))
        rows = rows.reshape(batch, height, channels, width).transpose(1, 2)
        columns = columns.reshape(batch, width, channels, height).permute(0, 2, 3, 1)
        return (rows + columns) / 2


class Boxes(nn.Module):
    """Lets a module on boxes work on a map: a box of side ``size`` around every position.

    A pointwise convolution makes the 4 C border channels; what the module gathers at the four
    borders, (B, C, H W, 4), goes through a pointwise convolution 4 C -> C and is added to x, as
    BorderDet merges it with the point's own feature.
    """

    def __init__(self, channels: int, region: nn.Module, size: float = 3.0) -> None:
        super().__init__()
        self.borders = nn.Conv2d(channels, 4 * channels, 1)
        self.region = region
        self.merge = nn.Conv2d(4 * channels, channels, 1)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        precise = torch.promote_types(x.dtype, torch.float32)  # bfloat16 ends at pixel 256
        y, x0 = torch.meshgrid(
            torch.arange(height, device=x.device, dtype=precise),
            torch.arange(width, device=x.device, dtype=precise),
            indexing="ij",
        )
        half = (self.size - 1) / 2
        corners = torch.stack([x0 - half, y - half, x0 + half, y + half], dim=-1)
        boxes = corners.reshape(1, height * width, 4).expand(batch, -1, -1)
        gathered = self.region(self.borders(x), boxes)  # (B, C, H W, 4)
        gathered = gathered.permute(0, 3, 1, 2).reshape(batch, 4 * channels, height, width)
        return x + self.merge(gathered)


class Projected(nn.Sequential):
    """Lets a shape-preserving module be an operator.

    (B, Cin, H, W) -> average pooling s x s where s > 1 -> pointwise convolution Cin -> Cout ->
    module -> (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin.
        out_channels: Cout.
        stride: s.
        inner: the module, on Cout channels.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, inner: nn.Module) -> None:
        pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
        project = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        super().__init__(*([pool] if stride > 1 else []), project, inner)


def _itself(site: Site) -> tuple[Site, ...]:
    return (site,)


def _lines(site: Site) -> tuple[Site, ...]:
    """The rows and the columns of a map, as sequences."""
    return Site(site.channels, 1, site.width), Site(site.channels, 1, site.height)


def _behind_projection(site: Site) -> Site:
    return replace(
        site,
        channels=site.width_out,
        height=math.ceil(site.height / site.stride),
        width=math.ceil(site.width / site.stride),
        stride=1,
        out_channels=None,
    )


@dataclass(frozen=True)
class Adapter:
    """How modules of one registry slot stand on a map: at which sites of their own, in what.

    ``wrap`` gets the map's site and a recipe for each of the ``sites``.
    """

    sites: Callable[[Site], tuple[Site, ...]] = _itself
    wrap: Callable[[Site, tuple[Recipe, ...]], Recipe] = lambda site, inner: inner[0]

    def projected(self) -> Adapter:
        """Return the adapter of the same modules as operators."""
        return Adapter(
            lambda site: self.sites(_behind_projection(site)),
            lambda site, inner: Recipe(
                Projected,
                (
                    site.channels,
                    site.width_out,
                    site.stride,
                    self.wrap(_behind_projection(site), inner),
                ),
            ),
        )


_PLAIN = Adapter()
_TOKENS = Adapter(wrap=lambda site, inner: Recipe(Tokens, inner))
_SCAN = Adapter(
    _lines, lambda site, inner: Recipe(Scan, (), {"rows": inner[0], "columns": inner[1]})
)
_BOXES = Adapter(wrap=lambda site, inner: Recipe(Boxes, (site.channels, *inner)))
# What has the shape of a map, behind its adapter.
_ON_MAPS = {
    "attention": _PLAIN,
    "mixer": _TOKENS,
    "sequence": _SCAN,
    "region": _BOXES,
    "context": _PLAIN,
    "stage": _PLAIN,
}


CONTROL = "control"
"""The family of what modules are held against, such as ``placebo``: nothing to be searched."""


@dataclass(frozen=True)
class Home:
    """What can stand in a slot of a skeleton or host: an adapter for each registry slot.

    ``all`` selects the modules of the slots in ``native``; the others need naming.
    """

    native: tuple[str, ...]
    adapters: dict[str, Adapter]


HOMES: dict[str, Home] = {
    "operator": Home(
        ("operator", "transform", "stage"),
        {
            "operator": _PLAIN,
            "transform": _PLAIN,
            **{slot: adapter.projected() for slot, adapter in _ON_MAPS.items()},
        },
    ),
    "attention": Home(("attention", "mixer", "sequence", "region"), _ON_MAPS),
    "context": Home(("context",), _ON_MAPS),
    "fusion": Home(("fusion",), {"fusion": _PLAIN}),
    "upsampling": Home(("upsampling",), {"upsampling": _PLAIN}),
    "pooling": Home(("pooling",), {"pooling": _PLAIN}),
    "activation": Home(("activation",), {"activation": _PLAIN}),
}


def fits(entry: Entry, slot: str) -> bool:
    """Return whether a module can stand in a slot, by itself or through an adapter."""
    return any(own in HOMES[slot].adapters for own in entry.slots)


def selected_by_all(entry: Entry, slot: str) -> bool:
    """Return whether `all` in this slot includes the module; controls need naming."""
    return entry.family != CONTROL and any(own in HOMES[slot].native for own in entry.slots)


def _adapter(entry: Entry, slot: str) -> Adapter:
    found = HOMES[slot].adapters
    for own in entry.slots:
        if own in found:
            return found[own]
    raise PlugnasError(f"`{entry.key}` is of slot `{entry.slot}` and cannot stand in slot `{slot}`")


def refusal(entry: Entry, slot: str, site: Site, setting: Setting) -> str | None:
    """Return why a setting cannot stand in the slot at the site, adapter included, or None.

    Args:
        entry: the module's declaration.
        slot: the slot of the skeleton or host.
        site: the shapes there.
        setting: the values of the module's own choices.
    """
    own = _adapter(entry, slot).sites(site)
    return next((reason for s in own if (reason := entry.refusal(s, setting))), None)


def canonical(entry: Entry, slot: str, site: Site, setting: Setting) -> dict[str, Value]:
    """Return the complete setting that stands for all that build the same network there.

    Args:
        entry: the module's declaration.
        slot: the slot of the skeleton or host.
        site: the shapes there.
        setting: the values of the module's own choices.
    """
    found = [entry.canonical(own, setting) for own in _adapter(entry, slot).sites(site)]
    agree = all(other == found[0] for other in found)
    return found[0] if agree else entry.complete(setting)


def recipe(entry: Entry, slot: str, site: Site, setting: Setting) -> Recipe:
    """Return how a module is built for a slot at a site, in its adapter where it needs one.

    Args:
        entry: the module's declaration.
        slot: the slot of the skeleton or host.
        site: the shapes there.
        setting: the values of the module's own choices.

    Raises:
        RefusedError: the module refuses the setting at this site.
    """
    adapter = _adapter(entry, slot)
    return adapter.wrap(site, tuple(entry.recipe(own, setting) for own in adapter.sites(site)))


def build(entry: Entry, slot: str, site: Site, setting: Setting) -> nn.Module:
    """Build a module for a slot at a site, in its adapter where it needs one.

    Args:
        entry: the module's declaration.
        slot: the slot of the skeleton or host.
        site: the shapes there.
        setting: the values of the module's own choices.

    Raises:
        RefusedError: the module refuses the setting at this site.
    """
    return recipe(entry, slot, site, setting).build()
