"""DANet: position attention, channel attention, and the sum of both."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import hidden_width, one_of
from plugnas.modules._registry import register

_SIGNS = {"plain": 1.0, "max_minus": -1.0}


@register(
    "danet_position",
    slot="attention",
    family="self_attention",
    name="DANet position attention",
    year=2018,
    paper="arXiv:1809.02983",
    origin="github.com/junfu1115/DANet, MIT",
    choices={"reduction": (4, 8)},
    aliases=(
        "PositionAttentionModule",
        "PAM_Module",
    ),
)
class PositionAttention(nn.Module):
    """Adds to each pixel the values of all pixels, weighted by the likeness of their features.

    q, k: 1x1 conv C -> C / reduction, v: 1x1 conv C -> C; o_i = sum_j softmax_j(q_i . k_j) v_j,
    unscaled; y = gamma o + x with a learned scalar gamma that starts at 0. (B, C, H, W) -> the
    same; the cost is quadratic in H W.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/DANet.py): the paper's layers, without the extra 3x3 convolution, scale and
    dropout; the key has no bias, which the softmax would cancel.
    """

    def __init__(self, channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.query = nn.Conv2d(channels, hidden, 1)
        self.key = nn.Conv2d(channels, hidden, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).flatten(2).transpose(1, 2).unsqueeze(1)
            for layer in (self.query, self.key, self.value)
        )  # (B, 1, N, .)
        y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        y = y.squeeze(1).transpose(1, 2).unflatten(2, x.shape[-2:])
        return self.gamma * y + x


@register(
    "danet_channel",
    slot="attention",
    family="channel",
    name="DANet channel attention",
    year=2018,
    paper="arXiv:1809.02983",
    origin="github.com/junfu1115/DANet, MIT",
    choices={"mode": tuple(_SIGNS)},
    aliases=(
        "ChannelAttentionModule",
        "CAM_Module",
    ),
)
class ChannelAttention(nn.Module):
    """Adds to each channel all channels, weighted by the softmax of their inner products.

    X = x as (C, N), E = X X^T; A = softmax of E over its last axis (``plain``, the paper's
    formula), or of rowmax(E) - E (``max_minus``, the authors' code, where the least alike channel
    weighs most); y = beta A X + x with a learned scalar beta that starts at 0.
    (B, C, H, W) -> the same; no projections.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/DANet.py): no 3x3 convolution, dropout or layer over the positions, which would
    tie the module to one map size; the paper has none of them.
    """

    def __init__(self, channels: int, *, mode: str = "plain") -> None:
        super().__init__()
        self.sign = _SIGNS[one_of("mode", mode, _SIGNS)]
        self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).unsqueeze(1)  # (B, 1, C, N)
        # softmax(max - E) = softmax(-E): the row's maximum cancels
        y = F.scaled_dot_product_attention(self.sign * tokens, tokens, tokens, scale=1.0)
        return self.beta * y.squeeze(1).unflatten(2, x.shape[-2:]) + x


@register(
    "danet",
    slot="attention",
    family="channel_spatial",
    name="DANet dual attention",
    year=2018,
    paper="arXiv:1809.02983",
    origin="github.com/junfu1115/DANet, MIT",
    choices={"reduction": (4, 8), "mode": tuple(_SIGNS)},
    aliases=(
        "DAModule",
        "DualAttention",
    ),
)
class DualAttention(nn.Module):
    """Adds position attention and channel attention of the same map.

    y = position(x) + channel(x), see :class:`PositionAttention` and
    :class:`ChannelAttention`. (B, C, H, W) -> the same.

    Departs from the paper: a plug-in and not the segmentation head, hence no convolutions around
    the branches. Each branch carries x, so y = 2 x at the start.
    """

    def __init__(self, channels: int, *, reduction: int = 8, mode: str = "plain") -> None:
        super().__init__()
        self.position = PositionAttention(channels, reduction=reduction)
        self.channel = ChannelAttention(channels, mode=mode)

    def forward(self, x: Tensor) -> Tensor:
        return self.position(x) + self.channel(x)
