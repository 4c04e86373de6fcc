"""MixConv."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import centre_tap, check_depthwise, pointwise_matrix
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import conv2d, one_of
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_PARTITIONS = ("equal", "exponential")


def _partition(channels: int, count: int, kind: str) -> list[int]:
    """Channels of each kernel, at least one each; equal: the first takes the remainder.

    Two kernels halve the channels either way.
    """
    if kind == "equal" or count == 2:
        share = channels // count
        return [channels - share * (count - 1)] + [share] * (count - 1)
    sizes: list[int] = []
    for i in range(count - 1):
        room = channels - sum(sizes) - (count - 1 - i)  # one channel is left for each later kernel
        sizes.append(min(room, max(1, channels >> (i + 1))))
    return [*sizes, channels - sum(sizes)]


def _sizes(site: Site, setting: Setting) -> tuple[int, ...]:
    kernels = setting["kernel_sizes"][: site.channels]
    return tuple(_partition(site.channels, len(kernels), setting["partition"]))


@register(
    "mixed_depthwise",
    slot="operator",
    family="multi_scale",
    name="MixConv mixed depthwise convolution",
    year=2019,
    paper="arXiv:1907.09595",
    choices={
        "kernel_sizes": ((3, 5), (3, 5, 7), (3, 5, 7, 9)),
        "partition": _PARTITIONS,
    },
    only_with={"partition": ("kernel_sizes", ((3, 5, 7), (3, 5, 7, 9)))},
    same={"kernel_sizes": lambda site, s: s["kernel_sizes"][: site.channels], "partition": _sizes},
    aliases=(
        "mixconv",
        "MixConv2d",
        "MixNet",
    ),
    origin="github.com/tensorflow/tpu, Apache-2.0",
)
class MixedDepthwise(nn.Module):
    """Depthwise convolution with different kernel sizes for different groups of channels.

    The channels are cut into one group per kernel; group i goes through a depthwise k_i x k_i
    convolution with the stride; the outputs are joined in order. ``equal``: C // g channels each,
    the remainder to the first; ``exponential``: C / 2, C / 4, ..., the last takes the rest. A 1x1
    convolution follows where Cout differs from Cin.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/MixedDepthwiseConv.py), whose branches are dense: the paper's are
    depthwise. With fewer channels than kernels only the first kernels are used.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_sizes: k_i, taps per side of each group's kernel, odd.
        partition: ``equal`` or ``exponential``: how the channels are shared out.
        dilation: d, pixels from one tap to the next.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_sizes: tuple[int, ...] = (3, 5, 7),
        partition: str = "equal",
        dilation: int = 1,
    ) -> None:
        super().__init__()
        kernels = kernel_sizes[:in_channels]
        one_of("partition", partition, _PARTITIONS)
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.sizes = _partition(in_channels, len(kernels), partition)
        self.branches = nn.ModuleList(
            conv2d(c, c, k, stride=stride, dilation=dilation, groups=c)
            for c, k in zip(self.sizes, kernels, strict=True)
        )
        same = in_channels == out_channels
        self.project = nn.Identity() if same else conv2d(in_channels, out_channels)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: it is no depthwise convolution whose kernel fits into the smallest one, nor,
                where Cout differs from Cin, a 1 x 1 convolution.
        """
        branches = [branch for branch in self.branches if isinstance(branch, nn.Conv2d)]
        widths = (self.in_channels, self.out_channels, self.stride)
        if isinstance(self.project, nn.Conv2d):
            matrix = pointwise_matrix(conv, *widths)
            for branch in branches:
                centre_tap(branch, torch.ones(branch.out_channels, 1))
            self.project.weight.copy_(matrix[:, :, None, None])
            return
        check_depthwise(conv, self.in_channels, self.stride)
        weights = [
            DenseKernel.depthwise(part, conv.dilation).placed(branch.kernel_size, branch.dilation)
            for part, branch in zip(conv.weight.split(self.sizes), branches, strict=True)
        ]
        for branch, weight in zip(branches, weights, strict=True):
            branch.weight.copy_(weight)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.sizes, dim=1)
        y = [branch(part) for branch, part in zip(self.branches, parts, strict=True)]
        return self.project(torch.cat(y, dim=1))
