"""Feature fusion module of BiSeNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, conv2d, hidden_width, resize_like
from plugnas.modules._registry import register


@register(
    "bisenet_ffm",
    slot="fusion",
    family="channel",
    name="BiSeNet feature fusion module",
    year=2018,
    paper="arXiv:1808.00897",
    choices={"kernel_size": (1, 3), "reduction": (1, 4)},
    aliases=(
        "FeatureFusionModule",
        "FFM",
    ),
    origin="github.com/ycszen/TorchSeg, MIT",
)
class BiSeNetFusion(nn.Module):
    """Projects two stacked maps to one and lets it re-weight its own channels.

    f = relu(BN(conv([x, y]))); w = sigmoid(W2 relu(W1 mean(f))); out = f + w f.
    x (B, C, H, W), y (B, Cy, h, w) -> (B, C, H, W); y is resampled to the size of x. W1: C ->
    max(1, C // reduction), W2 back, both without bias. Cy is y_channels (C if None).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/BiSeNet/bisemodel.py): a coarser y is resized inside.

    Args:
        channels: C, channels of x and of the result.
        kernel_size: taps per side of the first convolution, odd.
        reduction: the hidden layer has C // reduction channels, at least 1.
        y_channels: Cy, channels of the other map; C if None.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 1,
        reduction: int = 4,
        y_channels: int | None = None,
    ) -> None:
        super().__init__()
        both = channels + (channels if y_channels is None else y_channels)
        hidden = hidden_width(channels, reduction)
        self.project = ConvBN(both, channels, kernel_size, activation=nn.ReLU())
        self.gate = nn.Sequential(
            conv2d(channels, hidden), nn.ReLU(), conv2d(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        f = self.project(torch.cat([x, resize_like(y, x)], dim=1))
        return f + f * self.gate(f.mean((2, 3), keepdim=True))
