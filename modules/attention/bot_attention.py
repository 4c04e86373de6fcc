"""All-to-all attention of bottleneck transformers (BoTNet)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_HEADS = (2, 4, 8)
_POSITIONS = ("relative", "absolute")


def _same(site: Site, setting: Setting) -> dict[str, int]:
    """The smallest limit that gives as many heads at this width."""
    heads = common_divisor(setting["heads"], site.channels)
    return {"heads": next(n for n in _HEADS if common_divisor(n, site.channels) == heads)}


@register(
    "bot_attention",
    slot="attention",
    family="self_attention",
    name="Bottleneck transformer attention",
    year=2021,
    paper="arXiv:2101.11605",
    choices={"heads": _HEADS, "position": _POSITIONS},
    same=_same,
    aliases=("BoTNet", "BottleneckAttn", "BottleneckTransformer"),
    origin="gist.github.com/aravindsrinivas/56359b79f0ce4449bcb04ab4b56a57a2, NOASSERTION",
)
class BottleneckAttention(nn.Module):
    """Attends from every pixel to all pixels, with positions along both axes.

    Per head, for a query at (i, j) and a key at (a, b): softmax over the keys of
    q . (k + r[a - i] + c[b - j]) / sqrt(d) (``relative``) or q . (k + r[a] + c[b]) / sqrt(d)
    (``absolute``), times v. q, k, v are 1x1 convs without bias; the two tables are shared by the
    heads and there is no output projection. (B, C, H, W) -> the same.

    The tables have 2 ``size`` - 1 (``absolute``: ``size``) entries per axis and are interpolated
    where the map is of another size; ``heads`` is a limit, of which the largest divisor of the
    width is taken. Departs from timm: any map; the positions' part is scaled too, as in the
    authors' code (timm: ``scale_pos_embed``).

    Args:
        channels: C, channels of the map.
        heads: attention heads, a limit: the largest divisor of C is taken.
        position: ``relative`` or ``absolute``: what the two tables are indexed by.
        size: side in pixels of the map that the tables are made for; for others they are
            interpolated.
    """

    def __init__(
        self, channels: int, *, heads: int = 4, position: str = "relative", size: int = 14
    ) -> None:
        super().__init__()
        self.heads = common_divisor(heads, channels)
        self.position = one_of("position", position, _POSITIONS)
        width = channels // self.heads
        entries = 2 * size - 1 if position == "relative" else size
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.rows = nn.Parameter(torch.randn(entries, width) * width**-0.5)
        self.columns = nn.Parameter(torch.randn(entries, width) * width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        qkv = self.qkv(x).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        q, k, v = qkv.unbind(1)  # each (B, heads, N, d)
        if self.position == "relative":
            logits = self._relative(q.unflatten(2, size) * q.shape[-1] ** -0.5)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=logits)
        else:
            rows, columns = _stretch(self.rows, size[0]), _stretch(self.columns, size[1])
            places = (rows[:, None] + columns).flatten(0, 1)  # (N, d)
            y = F.scaled_dot_product_attention(q, k + places.to(k.dtype), v)
        return y.transpose(2, 3).flatten(1, 2).unflatten(2, size)

    def _relative(self, q: Tensor) -> Tensor:
        """q . (r[a - i] + c[b - j]): (B, heads, H, W, d) -> (B, heads, N, N)."""
        height, width = q.shape[2:4]
        rows = _stretch(self.rows, 2 * height - 1)[_offsets(height, q.device)]  # (H, H, d)
        columns = _stretch(self.columns, 2 * width - 1)[_offsets(width, q.device)]
        vertical = torch.matmul(q, rows.transpose(1, 2))  # (B, heads, H, W, H)
        across = torch.matmul(q.transpose(2, 3), columns.transpose(1, 2)).transpose(2, 3)
        return (vertical[..., None] + across[..., None, :]).flatten(4, 5).flatten(2, 3)


def _stretch(table: Tensor, entries: int) -> Tensor:
    """A table (L, d) interpolated to (entries, d)."""
    if table.shape[0] == entries:
        return table
    stretched = F.interpolate(table.t()[None], size=entries, mode="linear", align_corners=False)
    return stretched[0].t()


def _offsets(length: int, device: torch.device) -> Tensor:
    """Index of the offset from place i (row) to place a (column): (length, length), from 0 on."""
    places = torch.arange(length, device=device)
    return places - places[:, None] + length - 1
