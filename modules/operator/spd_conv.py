"""Space to depth, then a convolution without stride."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import conv2d, pad_to_multiple
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError


def space_to_depth(x: Tensor, s: int) -> Tensor:
    """(B, C, H, W) -> (B, C s^2, H / s, W / s), also where B = 0; pixel_unshuffle is not."""
    height, width = x.shape[-2:]
    x = x.unflatten(3, (width // s, s)).unflatten(2, (height // s, s))
    return x.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


@register(
    "spd_conv",
    slot="operator",
    family="downsampling",
    name="SPD-Conv (space to depth, then convolution)",
    year=2022,
    paper="arXiv:2208.03641",
    choices={"kernel_size": (1, 3)},
    aliases=("SPDConv", "SPD", "space_to_depth"),
    origin="github.com/LabSAINT/SPD-Conv, MIT",
)
class SPDConv(nn.Module):
    """Moves the s x s pixels of each cell into channels, so that a stride skips none of them.

    u[c s^2 + s p + q, i, j] = x[c, s i + p, s j + q]; y = conv k x k(u; s^2 Cin -> Cout) with
    stride 1, without bias; at stride 1 u = x. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)): sides that s does not divide are padded with zeros.

    The authors' code orders the channels of u by place first, ours by channel first: a permutation
    of the kernel's channels.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, side of a cell in pixels, at least 1.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.conv = conv2d(in_channels * stride**2, out_channels, kernel_size)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        A tap that reads r pixels from the middle stands in cell floor(r / s), at place r mod s.

        Raises:
            AdoptError: a tap reads a cell that the kernel does not see.
        """
        check_plain(conv, self.in_channels, self.out_channels, self.stride)
        kernel, s, size = DenseKernel.of(conv), self.stride, self.conv.kernel_size[0]
        places = [
            [divmod(d * (i - n // 2), s) for i in range(n)]
            for n, d in zip(kernel.weight.shape[2:], kernel.dilation, strict=True)
        ]
        reach = max(abs(cell) for axis in places for cell, _ in axis)
        if reach > size // 2:
            raise AdoptError(
                f"the convolution reads {reach} cells of {s}x{s} pixels away from its own, but the "
                f"{size}x{size} kernel sees {size // 2}; take a larger kernel_size"
            )
        weight = kernel.weight.new_zeros(*kernel.weight.shape[:2], s, s, size, size)
        for i, (row, p) in enumerate(places[0]):
            for j, (column, q) in enumerate(places[1]):
                tap = kernel.weight[:, :, i, j]
                weight[:, :, p, q, size // 2 + row, size // 2 + column] = tap
        self.conv.weight.copy_(weight.flatten(1, 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = space_to_depth(pad_to_multiple(x, self.stride), self.stride)
        return self.conv(x)
