"""Efficient channel attention."""

from __future__ import annotations

import math

from torch import Tensor, nn

from plugnas.modules._registry import register


def adaptive_kernel(channels: int) -> int:
    """The paper's kernel for a width: |(log2 C + 1) / 2|, cut to an integer, the next odd one."""
    size = int(abs((math.log2(channels) + 1) / 2))
    return size if size % 2 else size + 1


@register(
    "eca",
    slot="attention",
    family="channel",
    name="Efficient channel attention",
    year=2019,
    paper="arXiv:1910.03151",
    origin="github.com/BangguWu/ECANet, MIT",
    choices={"kernel_size": (0, 3, 5, 7)},
    same={"kernel_size": lambda site, s: s["kernel_size"] or adaptive_kernel(site.channels)},
    aliases=(
        "ECANet",
        "ECAAttention",
        "EfficientChannelAttention",
    ),
)
class EfficientChannelAttention(nn.Module):
    """Gates each channel by a 1-D convolution over its neighbours' global means.

    z = mean of x over H, W, read as a sequence of C values; s = sigmoid(k-tap convolution of z,
    zero-padded, no bias); y = s x. (B, C, H, W) -> the same. ``kernel_size=0`` takes k from the
    width by the paper's rule (see :func:`adaptive_kernel`).

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/ECAAttention.py): that rule is there, and the convolution has no bias (the paper
    decides).
    """

    def __init__(self, channels: int, *, kernel_size: int = 0) -> None:
        super().__init__()
        k = kernel_size or adaptive_kernel(channels)
        self.mix = nn.Conv1d(1, 1, k, padding=k // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean((2, 3)).unsqueeze(1)  # (B, 1, C)
        gate = self.mix(z).sigmoid().squeeze(1)
        return x * gate[:, :, None, None]
