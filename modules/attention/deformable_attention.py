"""Deformable attention of DAT."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, first_alike
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.operator._sampling import coordinates, sample

_HEADS = (4, 8)
_KERNELS = {1: 3, 2: 5, 4: 7, 8: 9}  # stride -> kernel of the offsets' convolution, the authors'


def _same(site: Site, setting: Setting) -> Setting:
    heads = first_alike(_HEADS, setting["heads"], lambda h: common_divisor(h, site.channels))
    return {"heads": heads}


@register(
    "deformable_attention",
    slot="attention",
    family="deformable",
    name="Deformable attention of DAT",
    year=2022,
    paper="arXiv:2201.00520, arXiv:2309.01430",
    choices={"heads": _HEADS, "stride": (4, 8)},
    aliases=("DAttention", "DAttentionBaseline", "DAT", "DATAttention"),
    origin="github.com/LeapLabTHU/DAT, Apache-2.0",
    same=_same,
)
class DeformableAttention(nn.Module):
    """Attends from each pixel to a coarse grid of points, which the content moves.

    q = conv1x1(x). A grid of ceil(H / r) x ceil(W / r) points, r the ``stride``, lies on the map,
    each in the middle of its cell; each of ``groups`` groups of channels moves them by
    s / 2 tanh(o) cells, o = linear(gelu(LayerNorm(depthwise k x k of q with stride r))), the same
    weights for all groups. k, v = conv1x1 of x read bilinearly at the group's points, zeros
    outside; per head softmax(q . k / sqrt(d) + b(q's place - point)) v; then conv1x1. b is a table
    of (2 T - 1)^2 values per head, T = ``table_size`` offsets to each side for a whole map, read
    bilinearly too. (B, C, H, W) -> the same. k is 3, 5, 7, 9 for a stride of 1, 2, 4, 8; s = 2.
    The authors take strides 8, 4, 2, 1 from stage to stage; a search is offered 4 and 8, as every
    pixel attends to every point and a large map of stride 1 needs gigabytes.

    Departs from the authors' code: T is a constant, not the map's size, so that one table serves
    every map (at T = H the values are read as there); points and pixels stand at the middle of
    their cells, where there the grid of points is stretched past the border by half a cell over
    H - 1, and divides by 0 on one row. The bound by tanh is the first paper's; the second clips
    points to the map.

    Args:
        channels: C, channels of the map.
        heads: attention heads, a limit: the largest divisor of C is taken.
        stride: r, pixels from one point of the grid to the next: 1, 2, 4 or 8.
        groups: groups of channels with points of their own, a limit: the largest divisor of the
            heads is taken.
        offset_range: s, twice the distance in cells that a point can be moved.
        table_size: T, offsets to each side that the table of b holds for a whole map.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 4,
        stride: int = 4,
        groups: int = 2,
        offset_range: float = 2.0,
        table_size: int = 14,
    ) -> None:
        super().__init__()
        self.heads = common_divisor(heads, channels)
        self.groups = common_divisor(groups, self.heads)
        self.offset_range, self.table_size = offset_range, table_size
        width, kernel = channels // self.groups, _KERNELS[stride]
        self.query, self.key, self.value, self.out = (
            nn.Conv2d(channels, channels, 1) for _ in range(4)
        )
        self.look = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width)
        self.move = nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Linear(width, 2, bias=False))
        side = 2 * table_size - 1
        self.table = nn.Parameter(torch.empty(self.heads, side, side))
        nn.init.trunc_normal_(self.table, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x)
        rows, columns = self._points(q)  # each (B G, rows of points, columns of points)
        grouped = x.unflatten(1, (self.groups, -1)).flatten(0, 1)
        found = sample(grouped, rows.unsqueeze(1), columns.unsqueeze(1)).squeeze(2)
        found = found.unflatten(0, (-1, self.groups)).flatten(1, 2)  # (B, C, rows, columns)
        bias = self._positions(rows.flatten(1), columns.flatten(1), q.shape[2:])
        q, k, v = (self._to_heads(t) for t in (q, self.key(found), self.value(found)))
        logits = torch.matmul(q * q.shape[3] ** -0.5, k.transpose(2, 3)) + bias.to(q.dtype)
        y = torch.matmul(logits.softmax(3), v)
        return self.out(y.transpose(2, 3).flatten(1, 2).unflatten(2, x.shape[2:]))

    def _to_heads(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, heads, H W, d)."""
        return x.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)

    def _points(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns of the moved points, in pixels: each (B groups, H', W')."""
        height, width = q.shape[2:]
        looked = self.look(q.unflatten(1, (self.groups, -1)).flatten(0, 1))
        offsets = coordinates(self.move(looked.permute(0, 2, 3, 1)))  # (B groups, H', W', 2)
        offsets = offsets.tanh() * (self.offset_range / 2)
        grid = offsets.shape[1:3]
        rows, columns = (torch.arange(n, dtype=offsets.dtype, device=q.device) for n in grid)
        rows = (rows[:, None] + 0.5 + offsets[..., 0]) * (height / grid[0]) - 0.5
        columns = (columns + 0.5 + offsets[..., 1]) * (width / grid[1]) - 0.5
        return rows, columns

    def _positions(self, rows: Tensor, columns: Tensor, size: torch.Size) -> Tensor:
        """The bias of each pixel and point: points (B groups, n) -> (B, heads, H W, n)."""
        down = self._entries(rows, size[0]).unsqueeze(2)  # (B groups, H, 1, n)
        right = self._entries(columns, size[1]).unsqueeze(1)  # (B groups, 1, W, n)
        grid = torch.stack(torch.broadcast_tensors(right, down), dim=-1).flatten(1, 2)
        table = self.table.to(rows.dtype).unflatten(0, (self.groups, -1))
        table = table.expand(rows.shape[0] // self.groups, -1, -1, -1, -1).flatten(0, 1)
        bias = F.grid_sample(table, grid, align_corners=False)  # (B groups, heads / groups, H W, n)
        return bias.unflatten(0, (-1, self.groups)).flatten(1, 2)

    def _entries(self, points: Tensor, length: int) -> Tensor:
        """Where the table is read along one axis, from -1 to 1: (B groups, n) -> (., length, n)."""
        pixels = torch.arange(length, dtype=points.dtype, device=points.device)
        offsets = (pixels[:, None] - points[:, None, :]) * (self.table_size / length)
        return offsets * (2 / (2 * self.table_size - 1))
