"""The context module of the SSH face detector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.errors import RefusedError


def _refuses(site: Site, setting: Setting) -> str | None:
    return _too_few(site.channels)


def _too_few(channels: int) -> str | None:
    if channels >= 2:
        return None
    return f"splitting the channels in two needs at least 2, but got {channels}; widen the map"


@register(
    "ssh",
    slot="context",
    family="multi_scale",
    name="SSH context module",
    year=2017,
    paper="arXiv:1708.03979",
    refuses=_refuses,
    aliases=("SSHContextModule",),
    origin="github.com/mahyarnajibi/SSH, MIT",
)
class SSHContext(nn.Module):
    """Sees a 5x5 and a 7x7 neighbourhood through stacked 3x3 convolutions, side by side.

    t = B(x) to C // 2; y = concat(B(t), B(B(t))), each B a 3x3 convolution with batch norm and
    ReLU. (B, C, H, W) -> the same.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/SSHContextModule.py): of an odd C the first part gets the odd channel,
    where the width silently fell by one; the convolutions have no bias, which the batch norm would
    cancel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if reason := _too_few(channels):
            raise RefusedError(reason)
        half = channels // 2
        self.stem = ConvBN(channels, half, 3, activation=nn.ReLU())
        self.near = ConvBN(half, channels - half, 3, activation=nn.ReLU())
        self.far = nn.Sequential(
            ConvBN(half, half, 3, activation=nn.ReLU()),
            ConvBN(half, half, 3, activation=nn.ReLU()),
        )

    def forward(self, x: Tensor) -> Tensor:
        t = self.stem(x)
        return torch.cat([self.near(t), self.far(t)], dim=1)
