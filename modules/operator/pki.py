"""Poly kernel inception module of PKINet."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, conv2d, first_alike
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_EXPANSIONS = (0.5, 1.0)


def _width(out_channels: int, expansion: float) -> int:
    return max(1, int(out_channels * expansion))


def _same(site: Site, setting: Setting) -> Setting:
    def width(expansion: float) -> int:
        return _width(site.width_out, expansion)

    return {"expansion": first_alike(_EXPANSIONS, setting["expansion"], width)}


class _PolyKernel(nn.Module):
    """The sum of a map and its depthwise convolutions with several odd kernels, same size.

    The deploy form is one depthwise nn.Conv2d with the widest of the kernels.
    """

    def __init__(self, channels: int, kernel_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.filters = nn.ModuleList(
            conv2d(channels, channels, k, groups=channels, bias=True) for k in kernel_sizes
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for convolution in self.filters:
            y = y + convolution(x)
        return y

    @torch.no_grad()
    def fuse(self) -> nn.Conv2d:
        """Return one depthwise convolution with the same outputs."""
        filters: list[Any] = list(self.filters)
        channels, widest = filters[0].in_channels, max(f.kernel_size[0] for f in filters)
        dense = conv2d(channels, channels, widest, groups=channels, bias=True)
        dense = dense.to(filters[0].weight)
        dense.weight.zero_()
        dense.weight[:, :, widest // 2, widest // 2] = 1.0
        for convolution in filters:
            edge = (widest - convolution.kernel_size[0]) // 2
            inner = slice(edge, widest - edge)
            dense.weight[:, :, inner, inner] += convolution.weight
        dense.bias = nn.Parameter(torch.stack([f.bias for f in filters]).sum(0))
        return dense


@register(
    "pki",
    slot="operator",
    family="multi_scale",
    name="PKINet poly kernel inception module",
    year=2024,
    paper="arXiv:2403.06258",
    choices={"kernel_sizes": ((3, 5, 7, 9, 11), (3, 5, 7)), "expansion": _EXPANSIONS},
    same=_same,
    aliases=("PKINet", "PKIModule", "PolyKernelInception"),
    origin="github.com/NUST-Machine-Intelligence-Laboratory/PKINet, Apache-2.0",
)
class PolyKernelInception(nn.Module):
    """Gathers texture of several sizes by depthwise kernels without dilation, summed.

    u = silu(BN(1x1(x; Cin -> h))), h = max(1, expansion Cout); l = depthwise k_0 x k_0(u), stride
    s; z = l + sum_m depthwise k_m x k_m(l), m = 1 ... ; y = silu(BN(1x1(z; h -> Cout))). Depthwise
    convolutions have biases. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). The deploy form
    has one depthwise convolution in the place of the sum.

    The paper multiplies the result by its context anchor attention, which is the key ``caa``. The
    authors' code has one more 1x1 convolution behind that product; the paper's formula has none.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_sizes: k_m, taps per side, odd; the first is that of l.
        expansion: h / Cout, the width inside.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_sizes: tuple[int, ...] = (3, 5, 7, 9, 11),
        expansion: float = 1.0,
    ) -> None:
        super().__init__()
        hidden = _width(out_channels, expansion)
        local, *wider = kernel_sizes
        self.reduce = ConvBN(in_channels, hidden, activation=nn.SiLU())
        self.local = conv2d(hidden, hidden, local, stride=stride, groups=hidden, bias=True)
        self.poly = _PolyKernel(hidden, tuple(wider))
        self.project = ConvBN(hidden, out_channels, activation=nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.poly(self.local(self.reduce(x))))
