"""ConvNeXt block, versions 1 and 2."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import LayerNorm2d, conv2d, drop_path
from plugnas.modules._registry import register
from plugnas.modules.operator._patches import patch_conv


class _ResponseNorm(nn.Module):
    """Global response norm of (B, H, W, C): channels compete by their energy over the map."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        energy = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        share = energy / (energy.mean(3, keepdim=True) + self.eps)
        return torch.addcmul(self.bias, x, 1.0 + self.weight * share)


@register(
    "convnext",
    slot="operator",
    family="large_kernel",
    name="ConvNeXt block (v1, v2)",
    year=2022,
    paper="arXiv:2201.03545, arXiv:2301.00808",
    choices={"kernel_size": (3, 5, 7), "expansion": (2, 4), "grn": (False, True)},
    aliases=("ConvNeXtBlock", "ConvNeXtV2", "CNBlock"),
    origin="github.com/facebookresearch/ConvNeXt, MIT",
)
class ConvNeXt(nn.Module):
    """Depthwise filter, then a wide layer at every pixel, added to the input.

    u = LayerNorm(depthwise k x k(x)); y = x + gamma W2 GELU(W1 u), W1: C -> eC, W2: eC -> C, all
    with bias; gamma starts at ``layer_scale`` in every channel. With ``grn`` (v2) there is no
    gamma, and h = GELU(W1 u) becomes h + b + a h n, n = |h_c| / mean over c of |h_c|, |h_c| the
    length of channel c over the map; a and b start at 0. ``drop_path``: stochastic depth.

    Where Cin differs from Cout or there is a stride, the paper's layer between stages stands
    before: LayerNorm and an s x s convolution of stride s with bias, on a map padded to a
    multiple of s. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). Departs from timm, which
    strides the depthwise filter and pools the shortcut.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side of the depthwise filter, odd.
        expansion: e, hidden channels over C.
        grn: v2's response norm in place of gamma.
        layer_scale: start of gamma; without effect with ``grn``.
        drop_path: probability with which a sample's branch is left out in training, below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 7,
        expansion: int = 4,
        grn: bool = False,
        layer_scale: float = 1e-6,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.enter: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.enter = nn.Sequential(
                LayerNorm2d(in_channels, eps=1e-6),
                *patch_conv(in_channels, out_channels, stride, bias=True),
            )
        hidden = out_channels * expansion
        self.depthwise = conv2d(
            out_channels, out_channels, kernel_size, groups=out_channels, bias=True
        )
        self.norm = nn.LayerNorm(out_channels, eps=1e-6)
        self.expand = nn.Linear(out_channels, hidden)
        self.respond = _ResponseNorm(hidden) if grn else nn.Identity()
        self.project = nn.Linear(hidden, out_channels)
        self.gamma = None
        if not grn:
            self.gamma = nn.Parameter(torch.full((out_channels,), layer_scale))
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        u = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        u = self.project(self.respond(F.gelu(self.expand(u))))
        if self.gamma is not None:
            u = u * self.gamma
        return x + drop_path(u.permute(0, 3, 1, 2), self.drop_path, training=self.training)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return a copy that has gamma in the weights of its last layer."""
        fused = copy.deepcopy(self)
        if fused.gamma is not None:
            fused.project.weight.mul_(fused.gamma[:, None])
            fused.project.bias.mul_(fused.gamma)
            fused.gamma = None
        return fused
