"""Dynamic snake convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import ConvBN, GroupNorm, common_divisor, conv2d, one_of
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError
from plugnas.modules.operator._sampling import centres, coordinates, sample

_AXES = ("horizontal", "vertical", "both")


class _Snake(nn.Module):
    """A line of K taps that bends across its axis, each tap starting from its inner neighbour."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        kernel_size: int,
        extend_scope: float,
        horizontal: bool,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.stride, self.reach = stride, kernel_size // 2
        self.extend_scope, self.horizontal = extend_scope, horizontal
        self.offset = ConvBN(in_channels, 2 * self.reach, 3, stride=stride)
        self.conv = conv2d(in_channels * kernel_size, out_channels)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start straight, from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: its kernel does not lie along the line.
        """
        check_plain(conv, self.in_channels, self.out_channels, self.stride)
        taps = 2 * self.reach + 1
        line = (1, taps) if self.horizontal else (taps, 1)
        kernel = DenseKernel.of(conv).placed(line).flatten(1)
        self.conv.weight.copy_(kernel[:, :, None, None])
        self.offset[1].weight.zero_()  # type: ignore[operator]
        self.offset[1].bias.zero_()  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        steps = coordinates(self.offset(x)).tanh()  # (B, K - 1, H', W'), outwards on either side
        before, after = (side.cumsum(1) for side in steps.split(self.reach, dim=1))
        still = torch.zeros_like(before[:, :1])
        bend = self.extend_scope * torch.cat([before.flip(1), still, after], dim=1)
        line = torch.arange(-self.reach, self.reach + 1, dtype=bend.dtype, device=bend.device)
        along = (still + line[:, None, None]).to(bend.dtype)  # (B, K, H', W')
        rows, columns = centres(bend, self.stride)
        if self.horizontal:
            samples = sample(x, rows + bend, columns + along)
        else:
            samples = sample(x, rows + along, columns + bend)
        return self.conv(samples.flatten(1, 2))


@register(
    "dynamic_snake",
    slot="operator",
    family="deformable",
    name="Dynamic Snake Convolution (DSConv of DSCNet)",
    year=2023,
    paper="arXiv:2307.08388",
    choices={
        "kernel_size": (3, 5, 9),
        "axis": _AXES,
        "extend_scope": (1.0, 2.0),
    },
    aliases=(
        "DSConv",
        "DSCNet",
        "DynamicSnakeConv",
    ),
    origin="github.com/YaoleiQi/DSCNet, MIT",
)
class DynamicSnake(nn.Module):
    """Convolution along a line that bends to follow thin, winding structures.

    d = tanh(BN(conv 3 x 3(x))), K - 1 channels; tap c of the horizontal line is read at column
    s q + c and row s p + z D_c, with D_0 = 0 and D_{+-c} = D_{+-(c - 1)} + d_{+-c} (z =
    extend_scope), bilinearly with zeros outside; y = the 1 x K convolution of these samples. The
    vertical line swaps the axes. ``both``: a 3 x 3 convolution and both lines, each with group norm
    (about 4 channels a group) and ReLU, joined and mixed by a 3 x 3 convolution.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the authors' code (S3_DSConv.py), where the paper decides: every sample reads its
    own features, the outermost taps accumulate (and learn) too, and both borders are zero. Only
    offsets that act are computed. Norm and activation at the end are left to the host.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: K, taps of a line, odd.
        axis: ``horizontal``, ``vertical`` or ``both``.
        extend_scope: z, pixels that one step can bend.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 9,
        axis: str = "both",
        extend_scope: float = 1.0,
    ) -> None:
        super().__init__()
        one_of("axis", axis, _AXES)
        directions = ("horizontal", "vertical") if axis == "both" else (axis,)
        snakes: list[nn.Module] = [
            _Snake(
                in_channels, out_channels, stride=stride, kernel_size=kernel_size,
                extend_scope=extend_scope, horizontal=direction == "horizontal",
            )
            for direction in directions
        ]  # fmt: skip
        if axis != "both":
            self.branches = nn.ModuleList(snakes)
            self.project: nn.Module = nn.Identity()
            return
        groups = common_divisor(max(1, out_channels // 4), out_channels)
        straight = conv2d(in_channels, out_channels, 3, stride=stride)
        self.branches = nn.ModuleList(
            nn.Sequential(branch, GroupNorm(groups, out_channels), nn.ReLU())
            for branch in (straight, *snakes)
        )
        self.project = conv2d(3 * out_channels, out_channels, 3)

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``, 1 x 1 or along the axis: the same outputs.

        Raises:
            AdoptError: another kernel, or ``both`` axes, which meet behind norms.
        """
        snake = self.branches[0]
        if not isinstance(snake, _Snake):
            raise AdoptError(
                "with axis=both, norms and rectifiers follow the branches; take horizontal for a "
                "1xk convolution and vertical for a kx1 one"
            )
        snake.adopt(conv)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(torch.cat([branch(x) for branch in self.branches], dim=1))
