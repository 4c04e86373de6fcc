"""Axial attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor
from plugnas.modules._registry import register


class _AlongAxis(nn.Module):
    """Multi-head self-attention along the length of (M, L, C) -> the same."""

    def __init__(self, channels: int, heads: int, head_channels: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_channels
        self.qkv = nn.Linear(channels, 3 * inner, bias=False)
        self.out = nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])  # (M, heads, L, d)
        return self.out(y.transpose(1, 2).flatten(2))


@register(
    "axial_attention",
    slot="attention",
    family="self_attention",
    name="Axial attention",
    year=2019,
    paper="arXiv:1912.12180",
    choices={"heads": (2, 4, 8), "sum_axes": (True, False)},
    aliases=("AxialDeepLab",),
    origin="github.com/google-research/google-research, Apache-2.0",
)
class AxialAttention(nn.Module):
    """Attends along each pixel's column and along its row, which costs (H + W) per pixel.

    For an axis: softmax(q k^T / sqrt(d)) v among the pixels that differ only there, with its own
    projections (q, k, v without bias, the output with). ``sum_axes``: y = along H(x) + along W(x);
    else y = along W(along H(x)). (B, C, H, W) -> the same; no mask, position, norm or residual.

    Departs from the paper: the unmasked layer, not the autoregressive model with its shifts.
    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/Axial_attention.py): ``heads`` is a limit, of which the largest divisor of the
    width is taken, unless ``head_channels`` sets the width of a head.

    Args:
        channels: C, channels of the map.
        heads: attention heads; without ``head_channels`` a limit, of which the largest divisor of C
            is taken.
        head_channels: d, channels of a head; C / heads if None.
        sum_axes: adds both axes' results; else one axis works on the other's.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 8,
        head_channels: int | None = None,
        sum_axes: bool = True,
    ) -> None:
        super().__init__()
        if head_channels is None:
            heads = common_divisor(heads, channels)
            head_channels = channels // heads
        self.sum_axes = sum_axes
        self.vertical = _AlongAxis(channels, heads, head_channels)
        self.horizontal = _AlongAxis(channels, heads, head_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.sum_axes:
            return self._down(x) + self._across(x)
        return self._across(self._down(x))

    def _down(self, x: Tensor) -> Tensor:
        columns = x.permute(0, 3, 2, 1)  # (B, W, H, C)
        y = self.vertical(columns.flatten(0, 1))
        return y.unflatten(0, columns.shape[:2]).permute(0, 3, 2, 1)

    def _across(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        y = self.horizontal(rows.flatten(0, 1))
        return y.unflatten(0, rows.shape[:2]).permute(0, 3, 1, 2)
