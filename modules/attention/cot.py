"""Contextual Transformer block."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import (
    BatchNorm2d,
    ConvBN,
    GroupNorm,
    common_divisor,
    conv2d,
    hidden_width,
    one_of,
    sum_of_products,
    window_taps,
)
from plugnas.modules._registry import register

_FORMS = ("paper", "circulating")


class _SplitAttention(nn.Module):
    """Weighs two maps per channel by a softmax over the pair, from the mean of their sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = hidden_width(channels, 2, minimum=32)
        self.squeeze = ConvBN(channels, hidden, 1, activation=nn.ReLU())
        self.excite = nn.Conv2d(hidden, 2 * channels, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        z = (first + second).mean((2, 3), keepdim=True)
        logits = self.excite(self.squeeze(z)).unflatten(1, (-1, 2))  # (B, C, 2, 1, 1)
        a, b = logits.softmax(2).unbind(2)
        return a * first + b * second


@register(
    "cot",
    slot="attention",
    family="dynamic",
    name="Contextual Transformer",
    year=2021,
    paper="arXiv:2107.12292",
    origin="github.com/JDAI-CV/CoTNet, Apache-2.0",
    choices={"kernel_size": (3, 5), "form": _FORMS},
    aliases=(
        "CoTNet",
        "CoTAttention",
        "ContextualTransformer",
    ),
)
class ContextualTransformer(nn.Module):
    """Adds to a convolved (static) context a dynamic one, weighted by kernels computed from both.

    Static: K1 = relu(BN(grouped k x k conv of x)); values V = BN(1x1 conv of x); weights A are two
    1x1 convolutions of [x, K1]. (B, C, H, W) -> the same.
    ``paper``: A holds for every pixel one k x k kernel per C / 8 channels (group norm after it);
    K2(c, p) = sum over window offsets of A(c mod C / 8, p, offset) V(c, p + offset), then BN and
    SiLU; K2 and K1 are joined by split attention (a softmax over the pair per channel).
    ``circulating``: the k^2 weights are averaged, K2 = V softmax over all pixels of that mean, and
    y = K1 + K2: no local aggregation, and values that shrink as 1 / (H W).

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/CoTAttention.py): the paper's form is the default; where C is no multiple of 4
    (groups) or 8 (channels that share a kernel), the largest divisor stands in; no bias in front of
    the softmax of the circulating form, which would cancel it.
    """

    def __init__(self, channels: int, *, kernel_size: int = 3, form: str = "paper") -> None:
        super().__init__()
        self.kernel_size, self.form = kernel_size, one_of("form", form, _FORMS)
        paper = form == "paper"
        self.share = common_divisor(8, channels) if paper else 1
        kernels = channels // self.share
        weights = kernel_size**2 * kernels
        groups = common_divisor(4, channels)
        hidden = hidden_width(channels, 2)
        self.static = ConvBN(channels, channels, kernel_size, groups=groups, activation=nn.ReLU())
        self.value = ConvBN(channels, channels, 1)
        self.attend = nn.Sequential(
            *ConvBN(2 * channels, hidden, 1, activation=nn.ReLU()),
            conv2d(hidden, weights, 1, bias=paper),
        )
        if paper:
            self.attend.append(GroupNorm(kernels, weights))
            self.norm = BatchNorm2d(channels)
            self.join = _SplitAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        static = self.static(x)
        value = self.value(x)
        weights = self.attend(torch.cat([x, static], dim=1))
        if self.form == "circulating":
            mean = weights.unflatten(1, (-1, self.kernel_size**2)).mean(2)  # (B, C, H, W)
            return static + value * mean.flatten(2).softmax(2).view_as(mean)
        return self.join(F.silu(self.norm(self._aggregate(value, weights))), static)

    def _aggregate(self, value: Tensor, weights: Tensor) -> Tensor:
        k = self.kernel_size
        padded = F.pad(value, (k // 2,) * 4).unflatten(1, (self.share, -1))
        kernels = weights.unflatten(1, (-1, k**2)).unsqueeze(1)  # (B, 1, C / share, k^2, H, W)
        return sum_of_products(window_taps(padded, k), kernels.unbind(3)).flatten(1, 2)
