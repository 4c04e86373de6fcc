"""Multi-scale dilated attention (DilateFormer)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import sum_of_products, window_taps
from plugnas.modules._registry import register


@register(
    "dilate",
    slot="mixer",
    family="multi_scale",
    name="Multi-scale dilated attention (DilateFormer)",
    year=2023,
    paper="arXiv:2302.01791",
    choices={
        "heads": (4, 8, 12),
        "kernel_size": (3, 5),
        "dilations": ((1, 2), (1, 3), (1, 2, 3)),
    },
    aliases=(
        "DilateFormer",
        "MultiDilateLocalAttention",
        "MSDA",
    ),
    origin="github.com/JIAOJIAYUASD/dilateformer, NOASSERTION",
)
class DilateAttention(nn.Module):
    """Attends from each position to its k x k neighbours, spread by a dilation of its head.

    The heads are shared out evenly among the dilations. Per head and position
    softmax(q . k_n / sqrt(d)) v_n over the k^2 neighbours n at that dilation; heads are joined and
    projected. Outside the map keys and values are 0 and take part in the softmax, as in the paper's
    padding. Tokens (B, H W, C) with ``size=(H, W)`` -> the same. q, k, v without bias.

    Departs from the authors' code (models/dilateformer.py): the caller's tensor is not written to;
    where heads or channels do not divide, each dilation gets at least one head (heads //
    dilations), and a head is as wide as is needed to hold C in all.

    Args:
        channels: C, features of a token.
        heads: attention heads in all; each dilation gets heads // dilations, at least 1.
        kernel_size: k, side of the neighbourhood, odd.
        dilations: pixels from one neighbour to the next, one number for each share of the heads.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 8,
        kernel_size: int = 3,
        dilations: tuple[int, ...] = (1, 3),
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilations = kernel_size, dilations
        self.heads = max(1, heads // len(dilations))  # of each dilation
        total = self.heads * len(dilations)
        inner = total * -(-channels // total)
        self.qkv = nn.Linear(channels, 3 * inner, bias=False)
        self.project = nn.Linear(inner, channels)

    def forward(self, x: Tensor, *, size: tuple[int, int]) -> Tensor:
        qkv = self.qkv(x).transpose(1, 2).unflatten(1, (3, len(self.dilations), -1))
        q, k, v = (t.unbind(1) for t in qkv.unbind(1))  # per dilation (B, inner / n, N)
        y = [self._attend(q[i], k[i], v[i], size, d) for i, d in enumerate(self.dilations)]
        return self.project(torch.cat(y, dim=1).transpose(1, 2))

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int], dilation: int
    ) -> Tensor:
        q, k, v = (t.unflatten(2, size).unflatten(1, (self.heads, -1)) for t in (q, k, v))
        q = q * q.shape[2] ** -0.5  # (B, h, d, H, W)
        keys = self._neighbours(k, dilation)
        logits = torch.stack([(q * key).sum(2, keepdim=True) for key in keys])
        shares = logits.softmax(0).to(v.dtype)  # (k^2, B, h, 1, H, W)
        y = sum_of_products(self._neighbours(v, dilation), shares.unbind(0))
        return y.flatten(1, 2).flatten(2)

    def _neighbours(self, x: Tensor, dilation: int) -> list[Tensor]:
        """(B, h, d, H, W) -> the same for each of the k^2 places."""
        padded = F.pad(x, (dilation * (self.kernel_size - 1) // 2,) * 4)
        return window_taps(padded, self.kernel_size, dilation=dilation)
