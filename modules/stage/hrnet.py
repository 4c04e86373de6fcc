"""High-resolution module of HRNet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, one_of, resize_like
from plugnas.modules._registry import register

_BLOCKS = ("basic", "bottleneck")


class _Residual(nn.Module):
    """relu(x + body(x)); the body is basic (3x3, 3x3) or bottleneck (1x1, 3x3, 1x1)."""

    def __init__(self, channels: int, *, block: str) -> None:
        super().__init__()
        if one_of("block", block, _BLOCKS) == "basic":
            steps = [
                ConvBN(channels, channels, 3, activation=nn.ReLU()),
                ConvBN(channels, channels, 3),
            ]
        else:
            inner = max(1, channels // 4)
            steps = [
                ConvBN(channels, inner, activation=nn.ReLU()),
                ConvBN(inner, inner, 3, activation=nn.ReLU()),
                ConvBN(inner, channels),
            ]
        self.body = nn.Sequential(*steps)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def _path(source: int, target: int, widths: Sequence[int]) -> nn.Module:
    """From one branch to another: nothing, a projection to enlarge, or strided steps."""
    if source == target:
        return nn.Identity()
    if source > target:
        return ConvBN(widths[source], widths[target])
    steps = [
        ConvBN(widths[source], widths[source], 3, stride=2, activation=nn.ReLU())
        for _ in range(target - source - 1)
    ]
    return nn.Sequential(*steps, ConvBN(widths[source], widths[target], 3, stride=2))


class _Exchange(nn.Module):
    """One branch's sum of all branches, each brought to its width and size."""

    def __init__(self, target: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.target = target
        self.paths = nn.ModuleList(_path(j, target, widths) for j in range(len(widths)))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        total = maps[self.target]
        for j, path in enumerate(self.paths):
            if j != self.target:
                total = total + resize_like(path(maps[j]), maps[self.target], mode="nearest")
        return F.relu(total)


class HighResolutionModule(nn.Module):
    """Refines maps of several resolutions side by side, then gives each the sum of all.

    Branch i has width C_i at 1 / 2^i of the resolution and ``depth`` residual blocks; then
    out_i = relu(sum_j T_ij x_j): T_ii is the identity, from a coarser branch a 1x1 convolution,
    batch norm and nearest upsampling, from a finer one i - j 3x3 convolutions of stride 2 with
    batch norm, ReLU between them. A list of maps in, a list out: of all branches, or with
    multi_scale=False of the finest alone.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/HRNet/hrnet.py): maps are enlarged to the size of their target, so that any size
    works; the caller's list is not changed.

    Args:
        widths: C_i, channels of each branch, the finest first.
        depth: residual blocks of a branch.
        block: ``basic`` or ``bottleneck``: the kind of residual block.
        multi_scale: whether all branches are returned; else only the finest.
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        depth: int = 4,
        block: str = "basic",
        multi_scale: bool = True,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*[_Residual(width, block=block) for _ in range(depth)])
            for width in widths
        )
        self.exchanges = nn.ModuleList(
            _Exchange(i, widths) for i in range(len(widths) if multi_scale else 1)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        refined = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [exchange(refined) for exchange in self.exchanges]


@register(
    "hrnet",
    slot="stage",
    family="multi_scale",
    name="HRNet high-resolution module",
    year=2019,
    paper="arXiv:1902.09212",
    choices={"branches": (2, 3, 4), "depth": (1, 2), "block": _BLOCKS},
    aliases=(
        "HighResolutionModule",
        "HRModule",
    ),
    origin="github.com/HRNet/HRNet-Semantic-Segmentation, MIT",
)
class HighResolutionStage(nn.Module):
    """Refines a map together with coarser versions of it, which are added to it at the end.

    Branch 0 is the map; each further one comes from that before by a 3x3 convolution of stride 2
    and twice the width, batch norm and ReLU. One ``HighResolutionModule`` follows, whose finest
    output is the result. (B, C, H, W) -> the same.

    Args:
        channels: C, channels of the map.
        branches: resolutions, at least 1; each further one halves the map.
        depth: residual blocks of a branch.
        block: ``basic`` or ``bottleneck``: the kind of residual block.
    """

    def __init__(
        self, channels: int, *, branches: int = 3, depth: int = 1, block: str = "basic"
    ) -> None:
        super().__init__()
        widths = [channels * 2**i for i in range(branches)]
        self.transitions = nn.ModuleList(
            ConvBN(fine, coarse, 3, stride=2, activation=nn.ReLU())
            for fine, coarse in pairwise(widths)
        )
        self.module = HighResolutionModule(widths, depth=depth, block=block, multi_scale=False)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for transition in self.transitions:
            maps.append(transition(maps[-1]))
        return self.module(maps)[0]
