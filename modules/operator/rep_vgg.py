"""RepVGG block."""

from __future__ import annotations

from plugnas.modules._parts import ConvBN, common_divisor
from plugnas.modules._registry import register
from plugnas.modules._same import conv_groups
from plugnas.modules.operator._branches import Branches, identity_branch


@register(
    "rep_vgg",
    slot="operator",
    family="reparameterised",
    name="RepVGG block",
    year=2021,
    paper="arXiv:2101.03697",
    choices={"groups": (1, 2, 4)},
    aliases=("RepVGGBlock", "RepConv"),
    origin="github.com/DingXiaoH/RepVGG, MIT",
    same={"groups": conv_groups()},
)
class RepVGG(Branches):
    """A 3x3 convolution, a 1x1 one and the input itself, summed in training, one 3x3 afterwards.

    y = BN3(conv 3x3(x)) + BN1(conv 1x1(x)) + BN0(x), both convolutions with stride s and in
    ``groups`` groups; the last term only where s = 1 and Cin = Cout. (B, Cin, H, W) -> (B, Cout,
    ceil(H / s), ceil(W / s)). The deploy form is one 3x3 nn.Conv2d with bias: norms fold, the 1x1
    kernel and the identity are added to the middle tap.

    Departs from the authors' code: the ReLU behind the sum is left to the host, so that a norm
    behind the deploy form still folds; groups fall to the largest number that divides both widths.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        groups: groups of both convolutions, a limit: the largest number that divides both widths is
            taken.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        groups = common_divisor(groups, in_channels, out_channels)
        super().__init__(
            [
                ConvBN(in_channels, out_channels, 3, stride=stride, groups=groups),
                ConvBN(in_channels, out_channels, 1, stride=stride, groups=groups),
                *identity_branch(in_channels, out_channels, stride),
            ]
        )
