"""Spatial and channel synergistic attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import GroupNorm, common_divisor, first_alike
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_KERNELS = (3, 5, 7, 9)
_HEADS = (1, 8)
_WINDOWS = (7, 14)


def _same(site: Site, setting: Setting) -> Setting:
    larger = max(site.height, site.width)  # a window as large as the map is all of it
    heads = first_alike(_HEADS, setting["heads"], lambda h: common_divisor(h, site.channels))
    window = first_alike(_WINDOWS, setting["window"], lambda w: min(w, larger))
    return {"heads": heads, "window": window}


@register(
    "scsa",
    slot="attention",
    family="channel_spatial",
    name="Spatial and channel synergistic attention",
    year=2024,
    paper="arXiv:2407.05128",
    choices={"heads": _HEADS, "window": _WINDOWS},
    aliases=("SCSA",),
    origin="github.com/HZAI-ZJNU/SCSA, Apache-2.0",
    same=_same,
)
class SpatialChannelSynergisticAttention(nn.Module):
    """Gates rows and columns by four kernel sizes, then channels by attention among channels.

    Spatial: p_h = mean of x over W, p_w = mean over H; part i of the channels (of 4) passes a
    depthwise 1-D convolution of 3, 5, 7 or 9 taps, the same for p_h and p_w; each then group norm
    (a group per part) and sigmoid: z = x a_h a_w. Channels: u = group norm (1 group) of the means
    of z over windows; q, k, v = u scaled per channel; per head of d channels
    A = softmax(q k^T / sqrt(d)), d x d; y = z sigmoid(mean over the windows of A v).
    (B, C, H, W) -> the same. The paper has one head.

    A width that 4 does not divide gets as many parts as its largest divisor below; ``heads`` is a
    limit in the same way. Windows that the map does not fill are means over what is there, where
    the authors' code drops them, and fails on a map smaller than one window. A mean(v) is formed
    in place of mean(A v), which is the same.
    """

    def __init__(self, channels: int, *, heads: int = 1, window: int = 7) -> None:
        super().__init__()
        self.window, self.heads = window, common_divisor(heads, channels)
        parts = common_divisor(len(_KERNELS), channels)
        width = channels // parts
        self.reaches = nn.ModuleList(
            nn.Conv1d(width, width, k, padding=k // 2, groups=width) for k in _KERNELS[:parts]
        )
        self.row_norm = GroupNorm(parts, channels)
        self.column_norm = GroupNorm(parts, channels)
        self.norm = GroupNorm(1, channels)
        self.query, self.key, self.value = (
            nn.Conv2d(channels, channels, 1, groups=channels, bias=False) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        rows = self.row_norm(self._reach(x.mean(3))).sigmoid()  # (B, C, H)
        columns = self.column_norm(self._reach(x.mean(2))).sigmoid()  # (B, C, W)
        z = x * rows.unsqueeze(3) * columns.unsqueeze(2)
        return z * self._channel_gate(z)

    def _reach(self, line: Tensor) -> Tensor:
        parts = line.chunk(len(self.reaches), dim=1)
        return torch.cat([conv(p) for conv, p in zip(self.reaches, parts, strict=True)], dim=1)

    def _channel_gate(self, z: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 1, 1)."""
        size = [min(self.window, side) for side in z.shape[-2:]]
        u = self.norm(F.avg_pool2d(z, size, ceil_mode=True))
        q, k = (t.flatten(2).unflatten(1, (self.heads, -1)) for t in (self.query(u), self.key(u)))
        v = self.value(u).mean((2, 3)).unflatten(1, (self.heads, -1)).unsqueeze(3)  # (B, h, d, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, scale=q.shape[2] ** -0.5)
        return mixed.flatten(1)[:, :, None, None].sigmoid()
