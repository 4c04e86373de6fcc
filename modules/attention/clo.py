"""CloFormer's attention: context-aware local heads beside pooled global heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, conv2d, hidden_width
from plugnas.modules._registry import register


def _head_split(channels: int, heads: int, kernels: int, local_fraction: float) -> list[int]:
    """Heads per local kernel, then the global heads; at least one of each.

    They add up to the largest divisor of the width up to ``heads``, or to ``heads`` where that
    divisor is too small.
    """
    count = common_divisor(heads, channels)
    if count <= kernels:
        count = max(min(heads, channels), kernels + 1)
    local = min(max(round(local_fraction * count), kernels), count - 1)
    return [local // kernels + (i < local % kernels) for i in range(kernels)] + [count - local]


class _Local(nn.Module):
    """v weighted by tanh of a small network of q * k, all three convolved depthwise before."""

    def __init__(self, channels: int, width: int, head_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.scale = head_channels**-0.5
        self.qkv = nn.Conv2d(channels, 3 * width, 1)
        self.mix = conv2d(3 * width, 3 * width, kernel_size, groups=3 * width, bias=True)
        self.first = nn.Conv2d(width, width, 1)
        self.second = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.mix(self.qkv(x)).chunk(3, dim=1)
        return v * (self.second(F.silu(self.first(q * k))) * self.scale).tanh()


class _Global(nn.Module):
    """Attention of every pixel to the keys and values of a map pooled by the window."""

    def __init__(self, channels: int, heads: int, head_channels: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        width = heads * head_channels
        self.query = nn.Conv2d(channels, width, 1)
        self.key_value = nn.Conv2d(channels, 2 * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        kernel = min(self.window, x.shape[2]), min(self.window, x.shape[3])
        pooled = F.avg_pool2d(x, kernel, ceil_mode=True)
        k, v = self.key_value(pooled).chunk(2, dim=1)
        q, k, v = (
            t.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)
            for t in (self.query(x), k, v)
        )
        y = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, d)
        return y.transpose(2, 3).flatten(1, 2).unflatten(2, x.shape[-2:])


@register(
    "clo",
    slot="attention",
    family="local_global",
    name="CloFormer local and pooled global attention",
    year=2023,
    paper="arXiv:2303.17803",
    origin="github.com/qhfan/CloFormer, MIT",
    choices={
        "kernel_sizes": ((3,), (5,), (3, 5)),
        "window": (2, 4),
        "local_fraction": (0.25, 0.5, 0.75),
    },
    aliases=(
        "CloFormer",
        "EfficientAttention",
        "AttnConv",
    ),
)
class CloAttention(nn.Module):
    """Splits the heads: some gate convolved values locally, the others attend to a pooled map.

    Local heads of kernel k: q, k, v = depthwise k x k conv of a 1x1 conv of x;
    v tanh(W2 silu(W1 (q k)) / sqrt(d)), elementwise. Global heads: softmax(q k^T / sqrt(d)) v
    with k, v of x after average pooling by ``window``. y = 1x1 conv of all heads, joined.
    (B, C, H, W) -> the same. ``local_fraction`` of the heads, shared among ``kernel_sizes``, are
    local.

    Departs from the authors' code (classification/models/blocks.py): the last pooled cells may be
    smaller, so that any map works; ``heads`` is a limit, of which the largest divisor of the width
    is taken. Where that is too few for one head of each kind, there are ``heads`` of max(1, C //
    heads) channels, and the last layer brings the width back to C.

    Args:
        channels: C, channels of the map.
        kernel_sizes: taps per side of the local heads' depthwise convolutions, odd; at least one
            local head for each.
        window: side in pixels of the cells that are averaged for the global heads.
        local_fraction: share of the heads that are local, from 0 to 1; at least one head stays
            global.
        heads: attention heads, a limit: the largest divisor of C is taken, unless it is too small,
            see above.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_sizes: tuple[int, ...] = (5,),
        window: int = 4,
        local_fraction: float = 0.5,
        heads: int = 8,
    ) -> None:
        super().__init__()
        split = _head_split(channels, heads, len(kernel_sizes), local_fraction)
        head_channels = hidden_width(channels, sum(split))
        self.local = nn.ModuleList(
            _Local(channels, count * head_channels, head_channels, k)
            for count, k in zip(split[:-1], kernel_sizes, strict=True)
        )
        self.pooled = _Global(channels, split[-1], head_channels, window)
        self.out = nn.Conv2d(sum(split) * head_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cat([*(local(x) for local in self.local), self.pooled(x)], dim=1))
