"""Pyramidal convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import load_levels
from plugnas.modules._parts import common_divisor, conv2d
from plugnas.modules._registry import register

_KERNELS = (3, 5, 7, 9)
_GROUPS = (1, 4, 8, 16)


def _widths(channels: int, levels: int) -> list[int]:
    """Channels of each level: even, but 1/4, 1/4, 1/2 for three; the first takes the rest."""
    share = max(1, channels // (4 if levels == 3 else levels))
    widths = [share] * levels
    if levels == 3:
        widths[2] = max(1, channels // 2)
    widths[0] = channels - sum(widths[1:])
    return widths


@register(
    "pyconv",
    slot="operator",
    family="multi_scale",
    name="PyConv: Pyramidal Convolution",
    year=2020,
    paper="arXiv:2006.11538",
    choices={"levels": (2, 3, 4)},
    aliases=(
        "PyConv2d",
        "PyramidalConvolution",
    ),
    origin="github.com/iduta/pyconv, MIT",
)
class PyramidalConvolution(nn.Module):
    """Parallel convolutions with growing kernels in growing numbers of groups, joined.

    Level l convolves the whole input with kernel (3, 5, 7, 9)[l] in (1, 4, 8, 16)[l] groups into
    c_l channels: Cout / levels each, but Cout / 4, Cout / 4, Cout / 2 for three levels, the
    remainder to the first. y = cat of the levels. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/PyConv.py): the padding follows the dilation; groups fall to a divisor of
    both widths, levels to at most Cout.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        levels: kernels, from 1 to 4; at most Cout.
        dilation: d, pixels from one tap to the next.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        levels: int = 4,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        widths = _widths(out_channels, min(levels, out_channels))
        self.levels = nn.ModuleList(
            conv2d(
                in_channels, width, kernel, stride=stride, dilation=dilation,
                groups=common_divisor(groups, in_channels, width),
            )
            for width, kernel, groups in zip(widths, _KERNELS, _GROUPS, strict=False)
        )  # fmt: skip

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: a level does not hold its filters: in groups they do not see all channels.
        """
        load_levels(self.levels, conv)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([level(x) for level in self.levels], dim=1)
