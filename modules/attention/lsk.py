"""Large selective kernel of LSKNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import channel_mean_max, conv2d, hidden_width
from plugnas.modules._registry import register

# Receptive field -> (kernel, dilation) of the two depthwise convolutions, of the paper's table.
_KERNELS = {11: ((3, 1), (5, 2)), 23: ((5, 1), (7, 3)), 39: ((7, 1), (9, 4))}


@register(
    "lsk",
    slot="attention",
    family="large_kernel",
    name="Large selective kernel",
    year=2023,
    paper="arXiv:2303.09030",
    choices={"receptive_field": tuple(_KERNELS)},
    aliases=("LSKNet",),
    origin="github.com/zcablii/LSKNet, CC-BY-NC-4.0",
)
class LargeSelectiveKernel(nn.Module):
    """Gates x by a mixture, chosen at each pixel, of a large and a larger depthwise context.

    U1 = depthwise k1 x k1 convolution of x, U2 = dilated depthwise k2 x k2 one of U1; V1, V2 =
    1x1 convs of U1, U2 to C / 2; (m1, m2) = sigmoid(7x7 conv, 2 -> 2, of the [mean, max] of
    [V1, V2] over the channels); S = 1x1 conv of (m1 V1 + m2 V2) back to C; y = x S.
    (B, C, H, W) -> the same. ``receptive_field`` 11, 23 or 39 pixels stands for (k, dilation)
    (3, 1) then (5, 2), (5, 1) then (7, 3), (7, 1) then (9, 4). All convolutions have a bias.

    The two pointwise maps, GELU and shortcut around it belong to the paper's block, not to it.
    """

    def __init__(self, channels: int, *, receptive_field: int = 23) -> None:
        super().__init__()
        (k1, d1), (k2, d2) = _KERNELS[receptive_field]
        hidden = hidden_width(channels, 2)
        self.near = conv2d(channels, channels, k1, dilation=d1, groups=channels, bias=True)
        self.far = conv2d(channels, channels, k2, dilation=d2, groups=channels, bias=True)
        self.near_value = conv2d(channels, hidden, bias=True)
        self.far_value = conv2d(channels, hidden, bias=True)
        self.select = conv2d(2, 2, 7, bias=True)
        self.out = conv2d(hidden, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        near = self.near(x)
        values = self.near_value(near), self.far_value(self.far(near))  # each (B, C / 2, H, W)
        masks = self.select(channel_mean_max(torch.cat(values, dim=1))).sigmoid()
        first, second = masks.chunk(2, dim=1)
        return x * self.out(torch.addcmul(values[0] * first, values[1], second))
