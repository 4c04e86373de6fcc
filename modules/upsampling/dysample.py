"""DySample."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, conv2d, first_alike, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.errors import RefusedError
from plugnas.modules.operator._sampling import coordinates, sample

_STYLES = ("lp", "pl")
_GROUPS = (1, 4, 8)


def _refuses(site: Site, setting: Setting) -> str | None:
    if setting["style"] == "pl" and site.channels % site.scale**2:
        return f"style pl needs a multiple of {site.scale**2} channels, but got {site.channels}"
    return None


def _same(site: Site, setting: Setting) -> Setting:
    def groups(limit: int) -> int:
        return common_divisor(limit, site.channels)

    return {"groups": first_alike(_GROUPS, setting["groups"], groups)}


@register(
    "dysample",
    slot="upsampling",
    family="content_aware",
    name="DySample: dynamic upsampling by point sampling",
    year=2023,
    paper="arXiv:2308.15085",
    choices={"style": _STYLES, "dynamic_scope": (False, True), "groups": _GROUPS},
    refuses=_refuses,
    same=_same,
    aliases=("DySample", "DynamicUpsampling"),
    origin="github.com/tiny-smart/dysample, MIT",
)
class DySample(nn.Module):
    """Bilinear upsampling whose points are moved by offsets made from the content.

    y[I, J] = x at row (I + 1/2) / s - 1/2 + r and column (J + 1/2) / s - 1/2 + c, border values
    beyond the border; (c, r) = o / 4, or o sigmoid(q) / 2 with ``dynamic_scope``, own ones for each
    of ``groups`` groups of channels. o (with bias) and q (without) are 1x1 convolutions, of x
    before the pixel shuffle to (s H, s W) (``lp``) or of the shuffled x (``pl``); q starts at 0 and
    o near 0, so that the start is nearly bilinear upsampling. (B, C, H, W) -> (B, C, s H, s W).

    Args:
        channels: C, channels of the map.
        scale: s, by which both sides grow.
        style: ``lp`` or ``pl``: offsets before or after the pixel shuffle.
        dynamic_scope: whether the reach of the points is read from the content.
        groups: groups of channels with points of their own, a limit: the largest divisor of C is
            taken.

    Raises:
        RefusedError: style pl where C is no multiple of s^2.
    """

    def __init__(
        self,
        channels: int,
        *,
        scale: int = 2,
        style: str = "lp",
        dynamic_scope: bool = False,
        groups: int = 4,
    ) -> None:
        super().__init__()
        self.scale, self.style = scale, one_of("style", style, _STYLES)
        self.groups = common_divisor(groups, channels)
        width = 2 * self.groups
        if style == "lp":
            width *= scale**2
        elif channels % scale**2:
            raise RefusedError(
                f"style pl needs a multiple of {scale**2} channels, but got {channels}"
            )
        else:
            channels //= scale**2
        self.offset = conv2d(channels, width, bias=True)
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]
        self.scope = conv2d(channels, width) if dynamic_scope else None
        if self.scope is not None:
            nn.init.zeros_(self.scope.weight)

    def forward(self, x: Tensor) -> Tensor:
        source = F.pixel_shuffle(x, self.scale) if self.style == "pl" else x
        reach = 0.25 if self.scope is None else 0.5 * self.scope(source).sigmoid()
        offsets = coordinates(self.offset(source) * reach)
        if self.style == "lp":
            offsets = F.pixel_shuffle(offsets, self.scale)
        columns, rows = offsets.unflatten(1, (2, self.groups, 1)).unbind(1)  # (B, G, 1, sH, sW)
        height, width = (_centres(n, offsets) / self.scale - 0.5 for n in rows.shape[-2:])
        grouped = x.unflatten(1, (self.groups, -1)).flatten(0, 1)
        y = sample(
            grouped, (rows + height[:, None]).flatten(0, 1), (columns + width).flatten(0, 1),
            padding="border",
        )  # fmt: skip
        return y.squeeze(2).unflatten(0, (-1, self.groups)).flatten(1, 2)


def _centres(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device) + 0.5
