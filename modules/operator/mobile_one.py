"""MobileOne block."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from plugnas.modules._fuse import fuse
from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError
from plugnas.modules.operator._branches import Branches, identity_branch


@register(
    "mobile_one",
    slot="operator",
    family="reparameterised",
    name="MobileOne block",
    year=2022,
    paper="arXiv:2206.04040",
    choices={"branches": (1, 2, 4), "separable": (True, False)},
    aliases=("MobileOneBlock",),
    origin="github.com/apple/ml-mobileone, LicenseRef-Apple-Sample-Code",
)
class MobileOne(nn.Module):
    """Sums several convolutions of one shape in training, which become a single one afterwards.

    O_k(x) = sum over ``branches`` of BN(conv k x k(x)) + BN(conv 1 x 1(x)) + BN(x): the second term
    only for k > 1, the third only where input and output have one shape. y = P(relu(D(x))), D an
    O_3, depthwise and of stride s, P an O_1 from Cin to Cout; ``separable=False``: y = O_3(x),
    dense and of stride s, as in the network's first layer. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)). The deploy form has one nn.Conv2d with bias for each O.

    Departs from the authors' code: the ReLU behind y is left to the host. 4 branches are those of
    the smallest network, MobileOne-S0; the others have 1.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        branches: convolutions of one shape that are summed, at least 1.
        separable: whether D is depthwise and P follows; else one dense O_3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        branches: int = 4,
        separable: bool = True,
    ) -> None:
        super().__init__()
        if separable:
            self.layers = nn.Sequential(
                _overparameterised(in_channels, in_channels, 3, stride, in_channels, branches),
                nn.ReLU(),
                _overparameterised(in_channels, out_channels, 1, 1, 1, branches),
            )
        else:
            self.layers = nn.Sequential(
                _overparameterised(in_channels, out_channels, 3, stride, 1, branches)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs in eval mode.

        Raises:
            AdoptError: its kernel is larger than 3x3, or an activation stands between two layers.
        """
        if len(self.layers) > 1:
            raise AdoptError("an activation stands between the two layers; take separable=False")
        only: Any = self.layers[0]
        only.adopt(conv)

    def fuse(self) -> nn.Module:
        """Return the layers with one convolution for each sum."""
        layers = fuse(self.layers)
        return layers if len(self.layers) > 1 else layers[0]  # type: ignore[index]


def _overparameterised(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, groups: int, count: int
) -> Branches:
    """The sum O of the docstring above."""

    def branch(kernel: int) -> ConvBN:
        return ConvBN(in_channels, out_channels, kernel, stride=stride, groups=groups)

    scale = [branch(1)] if kernel_size > 1 else []
    return Branches(
        [
            *(branch(kernel_size) for _ in range(count)),
            *scale,
            *identity_branch(in_channels, out_channels, stride),
        ]
    )
