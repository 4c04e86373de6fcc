"""InceptionNeXt block."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, conv2d, drop_path
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.operator._patches import patch_conv


def _branch_width(channels: int) -> int:
    """Channels of each of the three filters: an eighth, and at least one where there are three."""
    return min(max(1, channels // 8), channels // 3)


def _band(site: Site, setting: Setting) -> int:
    """Taps of the long filters, if any channel is filtered."""
    return setting["kernel_size"] if _branch_width(site.width_out) else 0


class InceptionDepthwise(nn.Module):
    """Depthwise filters of four parts of the channels: none, 3x3, 1 x k and k x 1, with bias.

    The three filtered parts have max(1, C // 8) channels each and are the last ones.
    (B, C, H, W) -> the same. Below 3 channels none is filtered.
    """

    def __init__(self, channels: int, *, kernel_size: int = 11) -> None:
        super().__init__()
        width = _branch_width(channels)
        self.widths = [channels - 3 * width, width, width, width]
        kernels = ((3, 3), (1, kernel_size), (kernel_size, 1))
        self.filters = nn.ModuleList(
            conv2d(width, width, kernel, groups=width, bias=True) for kernel in kernels if width
        )

    def forward(self, x: Tensor) -> Tensor:
        rest, *parts = x.split(self.widths, dim=1)
        filtered = [f(part) for f, part in zip(self.filters, parts, strict=False)]
        return torch.cat([rest, *filtered], dim=1)


@register(
    "inception_next",
    slot="operator",
    family="large_kernel",
    name="InceptionNeXt block",
    year=2023,
    paper="arXiv:2303.16900",
    choices={"kernel_size": (7, 11), "expansion": (0, 2, 4)},
    aliases=("InceptionNeXtBlock", "InceptionDWConv2d", "MetaNeXt"),
    origin="github.com/sail-sg/inceptionnext, Apache-2.0",
    same={"kernel_size": _band},
)
class InceptionNeXt(nn.Module):
    """A large depthwise filter in cheap parts, then a wide layer at every pixel; a residual block.

    u = the parts of x: C - 3 g channels as they are, g filtered depthwise by 3x3, g by 1 x k, g by
    k x 1, with bias, g = max(1, C // 8); y = x + gamma W2 GELU(W1 BN(u)), W1: C -> eC, W2: eC -> C
    with bias; gamma starts at ``layer_scale`` in every channel. ``drop_path``: stochastic depth.
    ``expansion=0``: y = u, the filter alone.

    Where Cin differs from Cout or there is a stride, the paper's layer between stages stands
    before: batch norm and an s x s convolution of stride s with bias, on a map padded to a multiple
    of s. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). The deploy form has gamma in W2.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps of the two bands, odd.
        expansion: e, hidden channels over C; 0: the filter alone.
        layer_scale: start of gamma.
        drop_path: probability with which a sample's branch is left out in training, below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 11,
        expansion: int = 4,
        layer_scale: float = 1e-6,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.enter: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.enter = nn.Sequential(
                BatchNorm2d(in_channels),
                *patch_conv(in_channels, out_channels, stride, bias=True),
            )
        self.filter = InceptionDepthwise(out_channels, kernel_size=kernel_size)
        self.wide = self.gamma = None
        if expansion:
            hidden = out_channels * expansion
            self.wide = nn.Sequential(
                BatchNorm2d(out_channels),
                conv2d(out_channels, hidden, bias=True),
                nn.GELU(),
                conv2d(hidden, out_channels, bias=True),
            )
            self.gamma = nn.Parameter(torch.full((out_channels, 1, 1), layer_scale))
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        u = self.filter(x)
        if self.wide is None:
            return u
        u = self.wide(u)
        if self.gamma is not None:
            u = u * self.gamma
        return x + drop_path(u, self.drop_path, training=self.training)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return a copy that has gamma in the weights of its last layer."""
        fused = copy.deepcopy(self)
        if fused.wide is not None and fused.gamma is not None:
            last: Any = fused.wide[3]
            last.weight.mul_(fused.gamma[..., None])
            last.bias.mul_(fused.gamma.flatten())
            fused.gamma = None
        return fused
