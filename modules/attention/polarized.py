"""Polarized self-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import conv2d, hidden_width, one_of
from plugnas.modules._registry import register

_FORMS = ("parallel", "sequential")


@register(
    "polarized",
    slot="attention",
    family="channel_spatial",
    name="Polarized self-attention",
    year=2021,
    paper="arXiv:2107.00782",
    choices={"form": _FORMS},
    aliases=(
        "PolarizedSelfAttention",
        "ParallelPolarizedSelfAttention",
        "SequentialPolarizedSelfAttention",
    ),
    origin="github.com/DeLightCMU/PSA, Apache-2.0",
)
class PolarizedSelfAttention(nn.Module):
    """Gates channels by an attended pixel, and pixels by an attended channel.

    Channels: a = softmax over the pixels of Wq x (C -> 1); s = sigmoid(LayerNorm(Wz sum_p a_p
    Wv x_p)), C -> C / 2 -> C. Pixels: b = softmax over the C / 2 channels of Uq mean(x);
    m_p = sigmoid(b . Uv x_p). y = s x + m x (``parallel``) or m computed from and applied to s x
    (``sequential``). (B, C, H, W) -> the same. The 1x1 convolutions have no bias.

    Both sums are taken before the linear maps Wv and Uv, which gives the same and costs 2 C per
    pixel in place of C^2. Departs from the authors' code: its parallel form has no norm and takes
    the softmax of m over the pixels, its sequential one a further bottleneck before the norm and
    the softmax of Uv x over the pixels; here both are the paper's.
    """

    def __init__(self, channels: int, *, form: str = "parallel") -> None:
        super().__init__()
        self.form = one_of("form", form, _FORMS)
        hidden = hidden_width(channels, 2)
        self.pixel_query = conv2d(channels, 1)
        self.pixel_value = conv2d(channels, hidden)
        self.excite = conv2d(hidden, channels)
        self.norm = nn.LayerNorm(channels)
        self.channel_query = conv2d(channels, hidden)
        self.channel_value = conv2d(channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        gated = x * self._channel_gate(x)
        if self.form == "sequential":
            return gated * self._pixel_gate(gated)
        return torch.addcmul(gated, x, self._pixel_gate(x))

    def _channel_gate(self, x: Tensor) -> Tensor:
        """One number per channel, (B, C, 1, 1)."""
        share = self.pixel_query(x).flatten(2).softmax(2)  # (B, 1, N)
        attended = torch.matmul(x.flatten(2), share.transpose(1, 2)).unsqueeze(3)  # (B, C, 1, 1)
        z = self.excite(self.pixel_value(attended)).flatten(1)
        return self.norm(z).sigmoid()[:, :, None, None]

    def _pixel_gate(self, x: Tensor) -> Tensor:
        """One number per pixel, (B, 1, H, W)."""
        share = self.channel_query(x.mean((2, 3), keepdim=True)).flatten(1).softmax(1)
        direction = torch.matmul(share, self.channel_value.weight.flatten(1))  # (B, C)
        return (
            torch.matmul(direction.unsqueeze(1), x.flatten(2)).sigmoid().unflatten(2, x.shape[-2:])
        )
