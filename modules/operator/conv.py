"""Plain convolutions: vanilla, pointwise, grouped, dilated."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import load
from plugnas.modules._parts import channel_shuffle, common_divisor, conv2d
from plugnas.modules._registry import Setting, register
from plugnas.modules._same import conv_groups, reach
from plugnas.modules._slots import Site
from plugnas.modules.errors import AdoptError


@register(
    "conv",
    slot="operator",
    family="convolution",
    name="Vanilla convolution",
    year=1989,
    paper=None,
    choices={"kernel_size": (1, 3, 5, 7)},
    aliases=(
        "Conv2d",
        "VanillaConv",
    ),
    no_origin="a layer of every library, not of one paper",
)
class Convolution(nn.Module):
    """A k x k convolution of all input channels.

    y[o, p] = sum over i, u of W[o, i, u] x[i, s p + u], zero padding (k - 1) / 2, no bias.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). The deploy form is the bare nn.Conv2d,
    into which a batch norm behind it can be folded.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, kernel_size, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: the kernel does not hold its taps, or another law of ``check_plain``.
        """
        load(self.conv, conv)

    def fuse(self) -> nn.Module:
        """Return the convolution without its wrapper."""
        return self.conv


@register(
    "pointwise_conv",
    slot="operator",
    family="convolution",
    name="1x1 convolution (Network in Network)",
    year=2013,
    paper="arXiv:1312.4400",
    choices={"groups": (1, 2, 4), "pool": (False, True)},
    same={"groups": conv_groups(), "pool": lambda site, s: s["pool"] and site.stride > 1},
    aliases=(
        "Conv1x1",
        "PointwiseConvolution",
        "NetworkInNetwork",
    ),
    origin="github.com/mavenlin/cuda-convnet, NOASSERTION",
)
class PointwiseConvolution(nn.Module):
    """The same linear map of the channels at every pixel, without spatial mixing.

    y[o, p] = sum over i of W[o, i] x[i, s p]. With ``pool`` and s > 1 the s x s mean (cells at the
    border are cut, not padded) is read instead of one pixel in s x s. ``groups`` falls to the
    largest number up to it that divides both widths.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        groups: groups of channels, a limit: the largest number that divides both widths is taken.
        pool: whether cells of s x s pixels are averaged; else one pixel of each is read.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        groups: int = 1,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.pool_size = stride if pool else 1
        groups = common_divisor(groups, in_channels, out_channels)
        self.conv = conv2d(in_channels, out_channels, stride=1 if pool else stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        if self.pool_size > 1:
            x = F.avg_pool2d(x, self.pool_size, ceil_mode=True)
        return self.conv(x)

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: it is not 1 x 1, or a mean over s x s comes first.
        """
        if self.pool_size > 1:
            raise AdoptError(
                "with pool=True the module reads a mean, and a convolution reads one pixel; take "
                "pool=False"
            )
        load(self.conv, conv)

    def fuse(self) -> nn.Module:
        """Return the convolution without its wrapper, where no pooling comes first."""
        return self.conv if self.pool_size == 1 else self


def _shuffles(site: Site, setting: Setting) -> bool:
    """One group, or one channel per group, has nothing to interleave."""
    groups = common_divisor(setting["groups"], site.channels, site.width_out)
    return setting["shuffle"] and 1 < groups < site.width_out


@register(
    "group_conv",
    slot="operator",
    family="convolution",
    name="Grouped convolution",
    year=2012,
    paper="NeurIPS 2012 (AlexNet); shuffle arXiv:1707.01083",
    choices={"groups": (2, 4, 8, 16, 32), "kernel_size": (3, 5), "shuffle": (False, True)},
    same={"groups": conv_groups(), "shuffle": _shuffles},
    aliases=(
        "GroupedConv",
        "GroupConvolution",
        "ShuffleNet",
    ),
    origin="github.com/megvii-model/ShuffleNet-Series, MIT",
)
class GroupedConvolution(nn.Module):
    """A convolution in G groups of channels that do not see each other, optionally shuffled.

    Output group g is a k x k convolution of input group g alone: 1 / G of the parameters and
    FLOPs. ``shuffle`` interleaves the groups behind it, so that the next layer mixes them. G falls
    to the largest number up to ``groups`` that divides both widths.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        groups: G, a limit: the largest number that divides both widths is taken.
        kernel_size: k, taps per side, odd.
        shuffle: whether the groups are interleaved behind.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        groups: int = 4,
        kernel_size: int = 3,
        shuffle: bool = False,
    ) -> None:
        super().__init__()
        groups = common_divisor(groups, in_channels, out_channels)
        self.conv = conv2d(in_channels, out_channels, kernel_size, stride=stride, groups=groups)
        self.shuffle = shuffle

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return channel_shuffle(y, self.conv.groups) if self.shuffle else y

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: the groups or the kernel do not hold it, or the outputs are shuffled.
        """
        if self.shuffle and self.conv.groups > 1:
            raise AdoptError(
                "with shuffle=True the outputs stand in another order; take shuffle=False"
            )
        load(self.conv, conv)

    def fuse(self) -> nn.Module:
        """Return the convolution without its wrapper, where no shuffle follows."""
        return self if self.shuffle else self.conv


@register(
    "dilated_conv",
    slot="operator",
    family="multi_scale",
    name="Dilated (atrous) convolution",
    year=2015,
    paper="arXiv:1511.07122",
    choices={"dilation": (2, 3, 4, 6, 12, 18), "kernel_size": (3, 5)},
    same={"dilation": lambda site, s: reach(site, s["dilation"])},
    aliases=(
        "ASPPConv",
        "AtrousConv",
        "AtrousConvolution",
    ),
    origin="github.com/fyu/dilation, MIT",
)
class DilatedConvolution(nn.Module):
    """A k x k convolution whose taps stand d pixels apart: a wider view at the same cost.

    y[o, p] = sum over i, u of W[o, i, u] x[i, s p + d u], zero padding d (k - 1) / 2. Where d
    reaches the size of the map only the centre tap still sees it.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        dilation: d, pixels from one tap to the next.
        kernel_size: k, taps per side, odd.
        groups: groups of the convolution, a limit: the largest number that divides both widths is
            taken.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilation: int = 2,
        kernel_size: int = 3,
        groups: int = 1,
    ) -> None:
        super().__init__()
        groups = common_divisor(groups, in_channels, out_channels)
        self.conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: its taps are not among the dilated ones.
        """
        load(self.conv, conv)

    def fuse(self) -> nn.Module:
        """Return the convolution without its wrapper."""
        return self.conv
