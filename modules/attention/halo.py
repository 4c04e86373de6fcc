"""Blocked local self-attention of HaloNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import pad_to_multiple
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site


def _sees_all(setting: Setting, side: int) -> bool:
    """Whether the first and the last block of a side, with their halos, hold all of it."""
    block, halo = setting["window"], setting["halo"]
    return side <= block + halo and (-(-side // block) - 1) * block <= halo


def _same(site: Site, setting: Setting) -> dict[str, int]:
    """A block of 4 with a halo of 1 and one of 2 with 3 have tables of one size.

    They are one network where the map is so small that every pixel sees all of it.
    """
    other = {"window": 2, "halo": 3}
    tables = setting["window"] + setting["halo"] == sum(other.values())
    sides = (site.height, site.width)
    whole = all(_sees_all(s, side) for s in (setting, other) for side in sides)
    return other if tables and whole else {}


@register(
    "halo",
    slot="attention",
    family="self_attention",
    name="HaloNet blocked local self-attention",
    year=2021,
    paper="arXiv:2103.12731",
    choices={"window": (2, 4, 8), "halo": (1, 3), "heads": (2, 4, 8)},
    same=_same,
    aliases=(
        "HaloNet",
        "HaLoAttention",
    ),
    no_origin="no code of the authors was found in November 2026; timm's is by others",
)
class HaloAttention(nn.Module):
    """Attends from each block of b x b pixels to the block and a halo of h pixels around it.

    Per head: softmax((q . k + q . row[dy] + q . column[dx]) / sqrt(d)) v over the (b + 2h)^2
    pixels of the window, dy and dx the offsets from query to key, the two tables shared by the
    heads; then a 1x1 conv (bias) back to C. q, k, v are 1x1 convs without bias.
    (B, C, H, W) -> the same. ``window`` is b, ``halo`` is h.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/HaloAttention.py): sides that are no multiples of b are padded and cropped; what
    lies outside the map is masked (there the mask is inverted), or takes part as zeros with
    ``mask_padding=False``, as in the paper; the tables have no rows for offsets that never occur.

    Args:
        channels: C, channels of the map.
        window: b, side of a block in pixels.
        halo: h, pixels around a block that it sees too.
        heads: attention heads, any number.
        head_channels: d, channels of a head.
        mask_padding: whether pixels outside the map are masked; else they take part as zeros.
    """

    def __init__(
        self,
        channels: int,
        *,
        window: int = 4,
        halo: int = 1,
        heads: int = 8,
        head_channels: int = 16,
        mask_padding: bool = True,
    ) -> None:
        super().__init__()
        self.block, self.halo, self.heads = window, halo, heads
        self.mask_padding = mask_padding
        self.scale = head_channels**-0.5
        inner = heads * head_channels
        offsets = 2 * (window + halo) - 1
        self.qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.rows = nn.Parameter(torch.randn(offsets, head_channels) * self.scale)
        self.columns = nn.Parameter(torch.randn(offsets, head_channels) * self.scale)
        self.out = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        inside = pad_to_multiple(x.new_ones(1, 1, height, width), self.block)
        x = pad_to_multiple(x, self.block)
        blocks = x.shape[2] // self.block, x.shape[3] // self.block
        q, k, v = self.qkv(x).chunk(3, dim=1)
        q = self._tokens(q, 0)  # (B, blocks, heads, b^2, d)
        k, v = self._tokens(k, self.halo), self._tokens(v, self.halo)
        bias = self._positions(q)
        if self.mask_padding:
            outside = self._windows(inside, self.halo) == 0  # (1, (b + 2h)^2, blocks)
            bias = bias.masked_fill(outside.transpose(1, 2)[:, :, None, None], float("-inf"))
        y = F.scaled_dot_product_attention(
            q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), attn_mask=bias.flatten(0, 1)
        )  # (B blocks, heads, b^2, d)
        y = y.transpose(1, 2).unflatten(1, (self.block, self.block)).flatten(3)
        y = y.unflatten(0, (-1, *blocks)).permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        return self.out(y[:, :, :height, :width])

    def _windows(self, x: Tensor, halo: int) -> Tensor:
        return F.unfold(x, self.block + 2 * halo, padding=halo, stride=self.block)

    def _tokens(self, x: Tensor, halo: int) -> Tensor:
        """The pixels of each block and its halo: (B, heads d, H, W) -> (B, blocks, heads, ., d)."""
        windows = self._windows(x, halo)
        area = (self.block + 2 * halo) ** 2
        return windows.unflatten(1, (self.heads, -1, area)).permute(0, 4, 1, 3, 2)

    def _positions(self, q: Tensor) -> Tensor:
        """q . (row + column) / sqrt(d): (B, blocks, heads, b^2, (b + 2h)^2)."""
        inner = torch.arange(self.block, device=q.device)
        outer = torch.arange(self.block + 2 * self.halo, device=q.device)
        offset = outer[None, :] - inner[:, None] + self.block - 1  # (b, b + 2h), from 0 on
        q = q.unflatten(3, (self.block, self.block)) * self.scale
        vertical = torch.einsum("bnhijd,ikd->bnhijk", q, self.rows[offset])
        horizontal = torch.einsum("bnhijd,jkd->bnhijk", q, self.columns[offset])
        total = vertical.unsqueeze(-1) + horizontal.unsqueeze(-2)  # (., b, b, rows, columns)
        return total.flatten(5, 6).flatten(3, 4)
