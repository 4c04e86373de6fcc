"""Bi-level routing attention of BiFormer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, conv2d, pad_to_multiple
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site


def _side(site: Site, setting: Setting) -> tuple[int, int]:
    """Height and width of a region."""
    return -(-site.height // setting["regions"]), -(-site.width // setting["regions"])


def _routed(site: Site, setting: Setting) -> int:
    """How many regions one can attend to."""
    height, width = _side(site, setting)
    return min(setting["top_k"], -(-site.height // height) * -(-site.width // width))


def _heads(site: Site, setting: Setting) -> int:
    """Over one key, the softmax of every head is 1."""
    one = _routed(site, setting) == 1 and _side(site, setting) == (1, 1)
    return 0 if one else common_divisor(setting["heads"], site.channels)


@register(
    "biformer",
    slot="attention",
    family="sparse_attention",
    name="Bi-level routing attention",
    year=2023,
    paper="arXiv:2303.08810",
    origin="github.com/rayleizhu/BiFormer, MIT",
    discontinuous="a region attends to the regions of the largest affinity",
    choices={"regions": (4, 7), "top_k": (1, 2, 4, 8), "heads": (4, 8)},
    same={"regions": _side, "top_k": _routed, "heads": _heads},
    aliases=(
        "BiLevelRoutingAttention",
        "BiLevelRoutingAttention_nchw",
        "BRA",
    ),
)
class BiLevelRoutingAttention(nn.Module):
    """Attends from each region of the map to all pixels of the few regions most like it.

    q, k, v = 1x1 conv of x; a region's descriptors are the means of its q and its k; each region
    routes to the ``top_k`` largest products of its query with the others' keys (no gradient, one
    graph for all heads); its pixels attend, per head, softmax(q k^T / sqrt(d)) v, to the pixels of
    those; plus a depthwise conv of v; then a 1x1 conv. (B, C, H, W) -> the same. The map is cut
    into at most ``regions`` x ``regions`` equal parts.

    Departs from the authors' code (ops/bra_legacy.py): scale by the width of a head (the paper's);
    any map, padded and cropped, where padding counts neither in the means nor as keys; no region
    without a pixel, and ``top_k`` and ``heads`` are reduced to what the map and the width allow.

    Args:
        channels: C, channels of the map.
        regions: the map is cut into at most so many regions along each axis.
        top_k: regions that each region attends to; all where there are fewer.
        heads: attention heads, a limit: the largest divisor of C is taken.
        kernel_size: taps per side of the depthwise convolution of v, odd.
    """

    def __init__(
        self,
        channels: int,
        *,
        regions: int = 7,
        top_k: int = 4,
        heads: int = 8,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.regions, self.top_k = regions, top_k
        self.heads = common_divisor(heads, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.local = conv2d(channels, channels, kernel_size, groups=channels, bias=True)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        side = -(-height // self.regions), -(-width // self.regions)  # of a region, rounded up
        grid = -(-height // side[0]), -(-width // side[1])
        qkv = self.qkv(x)
        local = self.local(qkv.chunk(3, dim=1)[2])
        q, k, v = (_to_regions(t, side) for t in qkv.chunk(3, dim=1))  # each (B, R, t, C)
        inside = _to_regions(x.new_ones(1, 1, height, width), side)  # (1, R, t, 1)
        chosen = self._route(q, k, inside)
        y = self._attend(q, _gather(k, chosen), _gather(v, chosen), inside[0, :, :, 0], chosen)
        y = y.unflatten(2, side).unflatten(1, grid).permute(0, 5, 1, 3, 2, 4)
        y = y.flatten(4, 5).flatten(2, 3)[:, :, :height, :width]
        return self.out(y + local)

    def _route(self, q: Tensor, k: Tensor, inside: Tensor) -> Tensor:
        """The regions that each region attends to: (B, R, top_k) indices."""
        count = inside.sum(2)  # (1, R, 1)
        q, k = ((t.detach() * inside).sum(2) / count for t in (q, k))
        affinity = torch.matmul(q, k.transpose(1, 2))  # (B, R, R)
        return affinity.topk(min(self.top_k, affinity.shape[2]), dim=2).indices

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, inside: Tensor, chosen: Tensor) -> Tensor:
        q, k, v = (
            t.flatten(0, 1).unflatten(2, (self.heads, -1)).transpose(1, 2) for t in (q, k, v)
        )  # (B R, heads, ., d)
        seen = inside[chosen].flatten(2).flatten(0, 1) > 0  # (B R, top_k t)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None, None, :])
        return y.transpose(1, 2).flatten(2).unflatten(0, (-1, chosen.shape[1]))


def _to_regions(x: Tensor, side: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B, regions, pixels of one, C), padded at the bottom and right."""
    x = pad_to_multiple(x, side)
    x = x.unflatten(3, (-1, side[1])).unflatten(2, (-1, side[0]))  # (B, C, rows, h, columns, w)
    return x.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)


def _gather(x: Tensor, chosen: Tensor) -> Tensor:
    """The pixels of the chosen regions: (B, R, t, C) -> (B, R, top_k t, C)."""
    batch, regions = x.shape[:2]
    offset = torch.arange(batch, device=x.device)[:, None, None] * regions
    return x.flatten(0, 1)[chosen + offset].flatten(2, 3)
