"""Adapters: how a module of one slot stands honestly in another.

Tokens (mixers) flatten the map; sequences scan its rows and columns; a module on boxes gets one box
around every position; a shape-preserving module becomes an operator behind a strided average
pooling and a pointwise projection.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import Entry, Site
from plugnas.modules._registry import Setting

# For each slot of a skeleton: the registry slots whose modules can stand there; the first group is
# what `all` selects (modules with no other home among them), the second needs naming.
HOMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "operator": (
        ("operator", "transform", "stage"),
        ("attention", "context", "mixer", "sequence", "region"),
    ),
    "attention": (("attention", "mixer", "sequence", "region"), ("context", "stage")),
    "context": (("context",), ("attention", "mixer", "sequence", "region", "stage")),
    "fusion": (("fusion",), ()),
    "pooling": (("pooling",), ()),
    "activation": (("activation",), ()),
}
_MAPS = ("attention", "context", "stage")


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
        y, x0 = torch.meshgrid(
            torch.arange(height, device=x.device, dtype=x.dtype),
            torch.arange(width, device=x.device, dtype=x.dtype),
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
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, inner: nn.Module) -> None:
        pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
        project = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        super().__init__(*([pool] if stride > 1 else []), project, inner)


def fits(entry: Entry, slot: str) -> bool:
    """Return whether a module can stand in a slot, by itself or through an adapter."""
    native, adapted = HOMES[slot]
    return any(own in native + adapted for own in entry.slots)


def selected_by_all(entry: Entry, slot: str) -> bool:
    """Return whether `all` in this slot includes the module."""
    return any(own in HOMES[slot][0] for own in entry.slots)


def refusal(entry: Entry, slot: str, site: Site, setting: Setting) -> str | None:
    """Return why a setting cannot stand in the slot at the site, adapter included, or None."""
    if slot == "operator" and entry.slot not in ("operator", "transform"):
        site = _behind_projection(site)
    if entry.slot == "sequence":
        for length in (site.width, site.height):
            if reason := entry.refusal(Site(site.channels, 1, length), setting):
                return reason
        return None
    return entry.refusal(site, setting)


def build(entry: Entry, slot: str, site: Site, setting: Setting) -> nn.Module:
    """Build a module for a slot at a site, in its adapter where it needs one.

    Raises:
        RefusedError: the module refuses the setting at this site.
    """
    if slot == "operator" and entry.slot not in ("operator", "transform"):
        inner = _on_map(entry, _behind_projection(site), setting)
        return Projected(site.channels, site.width_out, site.stride, inner)
    if slot in ("attention", "context"):
        return _on_map(entry, site, setting)
    return entry.build(site, setting)


def _on_map(entry: Entry, site: Site, setting: Setting) -> nn.Module:
    if entry.slot in _MAPS:
        return entry.build(site, setting)
    if entry.slot == "mixer":
        return Tokens(entry.build(site, setting))
    if entry.slot == "sequence":
        rows = entry.build(Site(site.channels, 1, site.width), setting)
        return Scan(rows, entry.build(Site(site.channels, 1, site.height), setting))
    if entry.slot == "region":
        return Boxes(site.channels, entry.build(site, setting))
    raise modules.PlugnasError(f"`{entry.key}` ({entry.slot}) has no adapter to a map")


def _behind_projection(site: Site) -> Site:
    return replace(
        site,
        channels=site.width_out,
        height=math.ceil(site.height / site.stride),
        width=math.ceil(site.width / site.stride),
        stride=1,
        out_channels=None,
    )
