"""Re-parameterised large kernels of RepLKNet and UniRepLKNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import check_depthwise, pointwise_matrix
from plugnas.modules._fuse import fuse
from plugnas.modules._parts import ConvBN, conv2d
from plugnas.modules._registry import register
from plugnas.modules.errors import RefusedError
from plugnas.modules.operator._branches import Branches

# UniRepLKNet: large kernel -> (kernel, dilation) of the small ones beside it.
_DILATED = {
    5: ((3, 1), (3, 2)),
    7: ((5, 1), (3, 2), (3, 3)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
    11: ((5, 1), (5, 2), (3, 3), (3, 4), (3, 5)),
    13: ((5, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
    15: ((5, 1), (7, 2), (3, 3), (3, 5), (3, 7)),
    17: ((5, 1), (9, 2), (3, 4), (3, 5), (3, 7)),
}


@register(
    "rep_lk",
    slot="operator",
    family="large_kernel",
    name="Re-parameterised large kernel (RepLKNet, UniRepLKNet)",
    year=2022,
    paper="arXiv:2203.06717, arXiv:2311.15599",
    choices={"kernel_size": (7, 13, 17), "dilated": (True, False)},
    aliases=("RepLKNet", "UniRepLKNet", "DilatedReparamBlock", "ReparamLargeKernelConv"),
    origin="github.com/AILab-CVC/UniRepLKNet, Apache-2.0",
)
class RepLargeKernel(nn.Module):
    """A large depthwise kernel, trained together with small ones that merge into it afterwards.

    y = BN(depthwise K x K(x)) + sum over i of BN_i(depthwise k_i x k_i(x), dilation d_i), all with
    stride s. ``dilated`` (UniRepLKNet): (k, d) for K = 13 are (5, 1), (7, 2), (3, 3), (3, 4),
    (3, 5); otherwise (RepLKNet) one 5 x 5 alone, which allows any odd K from 5. (B, Cin, H, W) ->
    (B, Cout, ceil(H / s), ceil(W / s)); a 1x1 convolution follows where Cout differs from Cin. The
    deploy form is one depthwise nn.Conv2d with bias.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: K, taps per side of the large kernel, odd.
        dilated: whether the small kernels are UniRepLKNet's dilated ones.

    Raises:
        RefusedError: the kernel is even or below 5, or ``dilated`` and not of UniRepLKNet's table
            (5, 7, ..., 17).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 13,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        if dilated and kernel_size not in _DILATED:
            sizes = ", ".join(map(str, _DILATED))
            raise RefusedError(f"`kernel_size` must be one of {sizes}, but got {kernel_size}")
        if kernel_size < 5 or kernel_size % 2 == 0:
            raise RefusedError(f"`kernel_size` must be odd and at least 5, but got {kernel_size}")
        small = _DILATED[kernel_size] if dilated else ((5, 1),)
        self.filter = Branches(
            ConvBN(in_channels, in_channels, k, stride=stride, dilation=d, groups=in_channels)
            for k, d in ((kernel_size, 1), *small)
        )
        same = in_channels == out_channels
        self.project = nn.Identity() if same else conv2d(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.filter(x))

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs in eval mode.

        Raises:
            AdoptError: it is no depthwise convolution that fits into the large kernel, nor, where
                Cout differs from Cin, a 1 x 1 convolution.
        """
        channels, stride = self.in_channels, self.stride
        if isinstance(self.project, nn.Conv2d):
            matrix = pointwise_matrix(conv, channels, self.out_channels, stride)
            self.project.weight.copy_(matrix[:, :, None, None])
            conv = nn.Conv2d(channels, channels, 1, stride, groups=channels, bias=False)
            nn.init.ones_(conv.weight)
        check_depthwise(conv, channels, stride, bias=True)
        self.filter.adopt(conv)

    def fuse(self) -> nn.Module:
        """Return the one depthwise convolution, and the 1x1 one behind it if there is one."""
        chain = fuse(nn.Sequential(self.filter, self.project))
        return chain[0] if isinstance(self.project, nn.Identity) else chain  # type: ignore[index]
