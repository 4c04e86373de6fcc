"""Concatenation of two maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, conv2d, resize_like
from plugnas.modules._registry import register


@register(
    "concat",
    slot="fusion",
    family="fusion",
    name="Concatenation and pointwise projection",
    choices={"norm_activation": (False, True)},
    aliases=("FeatureConcat",),
    no_origin="a layer of every library, not of one paper",
)
class ConcatFusion(nn.Module):
    """Stacks two maps or more over the channels and projects back by a pointwise convolution.

    out = W [x, y, ...] + b, or relu(BN(W [x, y, ...])) with norm_activation, of ``inputs`` maps.
    x (B, C, H, W), the others (B, Cy, h, w) -> (B, C, H, W); they are resampled to the size of x,
    Cy is y_channels (C if None).

    Args:
        channels: C, channels of x and of the result.
        norm_activation: batch norm and ReLU behind the projection, in place of a bias.
        inputs: maps that are stacked, at least 2.
        y_channels: Cy, channels of every map but x; C if None.
    """

    def __init__(
        self,
        channels: int,
        *,
        norm_activation: bool = True,
        inputs: int = 2,
        y_channels: int | None = None,
    ) -> None:
        super().__init__()
        width = channels + (inputs - 1) * (channels if y_channels is None else y_channels)
        layers: list[nn.Module] = [conv2d(width, channels, bias=not norm_activation)]
        if norm_activation:
            layers += [BatchNorm2d(channels), nn.ReLU()]
        self.project = nn.Sequential(*layers)

    def forward(self, x: Tensor, y: Tensor, *more: Tensor) -> Tensor:
        others = [resize_like(other, x) for other in (y, *more)]
        return self.project(torch.cat([x, *others], dim=1))
