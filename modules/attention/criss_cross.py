"""Criss-cross attention of CCNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import hidden_width
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck


@register(
    "criss_cross",
    slot="attention",
    family="sparse_attention",
    name="CCNet criss-cross attention",
    year=2018,
    paper="arXiv:1811.11721",
    origin="github.com/speedinghzl/CCNet, MIT",
    choices={"reduction": (4, 8, 16), "recurrence": (1, 2, 3)},
    same={"reduction": bottleneck()},
    aliases=(
        "CCNet",
        "CrissCrossAttention",
        "CCAttention",
        "RCCA",
    ),
)
class CrissCrossAttention(nn.Module):
    """Adds to each pixel the values of its row and column, attended jointly.

    q, k: 1x1 conv C -> C / reduction, v: 1x1 conv C -> C. One softmax over the H + W - 1 pixels i
    of a pixel's column and row of q . k_i, unscaled; y = gamma sum_i w_i v_i + x with a learned
    scalar gamma that starts at 0. ``recurrence`` applications with the same weights: two let every
    pixel reach the whole map. (B, C, H, W) -> the same.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/CrissCrossAttention.py): the mask that counts the pixel itself once is on the
    input's device; the key has no bias, which the softmax would cancel.
    """

    def __init__(self, channels: int, *, reduction: int = 8, recurrence: int = 2) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.recurrence = recurrence
        self.query = nn.Conv2d(channels, hidden, 1)
        self.key = nn.Conv2d(channels, hidden, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.recurrence):
            x = self.gamma * self._cross(x) + x
        return x

    def _cross(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        q, k, v = self.query(x), self.key(x), self.value(x)
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None, :]
        column = torch.einsum("bcij,bcaj->bija", q, k).masked_fill(itself, float("-inf"))
        row = torch.einsum("bcij,bcia->bija", q, k)
        weights = torch.cat([column, row], dim=3).softmax(3)  # (B, H, W, H + W)
        column, row = weights.split([height, width], dim=3)
        from_column = torch.einsum("bija,bcaj->bcij", column, v)
        return from_column + torch.einsum("bija,bcia->bcij", row, v)
