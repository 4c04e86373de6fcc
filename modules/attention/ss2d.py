"""Two-dimensional selective scan of VMamba."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register

_JOINED = 8  # steps of a recurrence that are joined to one; measured: faster than 2, 4 or 14


@register(
    "ss2d",
    slot="attention",
    family="state_space",
    name="Two-dimensional selective scan",
    year=2024,
    paper="arXiv:2401.10166",
    choices={"states": (1, 16), "gated": (False, True)},
    aliases=("VMamba", "VSS", "Mamba", "SelectiveScan2D"),
    origin="github.com/MzeroMiko/VMamba, MIT",
)
class SS2D(nn.Module):
    """Lets every pixel gather from all before it, in four orders, through a small learned memory.

    u = silu(depthwise 3x3 conv of a 1x1 conv to D = ``expansion`` C). Along each order (rows,
    columns, both backwards), with weights of its own, per channel d and for n = 1..``states``:
    [r, b, c] = W u, t = softplus(V r + v), h_n = exp(t a_n) h_n + t b_n u with a_n < 0,
    y = sum_n c_n h_n + s u. The four y are added at their pixels; LayerNorm; times silu(z) where
    ``gated``, z a second 1x1 conv of x; 1x1 conv back. (B, C, H, W) -> the same.

    The paper's first form is ``gated`` with 16 states and expansion 2, its last (the default) is
    not gated and has 1 and 1. The recurrence runs in float32 or better, as a tree: 8 steps are
    joined to one until one is left, log8(H W) times in all, where the authors' code is a CUDA
    kernel that walks along the pixels. An exported graph is for one height and width.

    Args:
        channels: C, channels of the map.
        states: numbers that the memory of a channel holds.
        gated: whether the result is multiplied by silu(z).
        expansion: D / C, the width inside.
    """

    def __init__(
        self, channels: int, *, states: int = 1, gated: bool = False, expansion: int = 1
    ) -> None:
        super().__init__()
        inner, rank = expansion * channels, -(-channels // 16)
        self.sizes, self.gated = [rank, states, states], gated
        self.project = conv2d(channels, 2 * inner if gated else inner)
        self.local = conv2d(inner, inner, 3, groups=inner, bias=True)
        self.select = nn.Linear(inner, 4 * sum(self.sizes), bias=False)
        self.step = nn.Parameter(torch.empty(4, inner, rank).uniform_(-1, 1) * rank**-0.5)
        self.step_bias = nn.Parameter(_first_steps(4, inner))
        decay = torch.arange(1, states + 1, dtype=torch.float32).log()
        self.log_decay = nn.Parameter(decay.repeat(4, inner, 1))
        self.skip = nn.Parameter(torch.ones(4, inner))
        self.norm = nn.LayerNorm(inner)
        self.out = conv2d(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        u = self.project(x)
        if self.gated:
            u, z = u.chunk(2, dim=1)
        u = F.silu(self.local(u)).permute(0, 2, 3, 1)  # (B, H, W, D)
        y = self.norm(self._scan(u)).permute(0, 3, 1, 2)
        return self.out(y * F.silu(z) if self.gated else y)

    def _scan(self, u: Tensor) -> Tensor:
        """The four recurrences, added: (B, H, W, D) -> the same."""
        size, kind = (int(u.shape[1]), int(u.shape[2])), u.dtype  # the tree is of this size
        r, b, c = self.select(u).unflatten(3, (4, -1)).split(self.sizes, dim=4)
        t = torch.einsum("bhwgr,gdr->bhwgd", r, self.step)
        u, t, b, c = (
            _in_order(v.to(torch.promote_types(v.dtype, torch.float32)))
            for v in (u.unsqueeze(3).expand(-1, -1, -1, 4, -1), t, b, c)
        )  # each (B, L, 4, .)
        t = F.softplus(t + self.step_bias).unsqueeze(4)
        keep = (t * -self.log_decay.exp()).exp()  # (B, L, 4, D, states)
        h = linear_recurrence(keep, t * u.unsqueeze(4) * b.unsqueeze(3))
        y = (h * c.unsqueeze(3)).sum(4) + self.skip * u
        return _at_pixels(y, size).to(kind)


def linear_recurrence(keep: Tensor, add: Tensor) -> Tensor:
    """Return h with h_0 = add_0 and h_i = keep_i h_{i - 1} + add_i along axis 1, (B, L, ...) all.

    8 steps make one step; the recurrence of those gives every eighth h, and from each of them the
    next 7 follow. About 3 products per step in all, and no division, so that nothing overflows.
    """
    length = add.shape[1]
    if length == 1:  # the state before the first step is 0
        return torch.addcmul(add, keep, torch.zeros_like(add))
    spare = [0, 0] * (add.dim() - 2) + [0, -length % _JOINED]
    keeps, adds = (F.pad(v, spare).unflatten(1, (-1, _JOINED)).unbind(2) for v in (keep, add))
    kept, added = keeps[0], adds[0]
    for k, a in zip(keeps[1:], adds[1:], strict=True):
        kept, added = kept * k, torch.addcmul(a, k, added)
    last = linear_recurrence(kept, added)  # (B, L / 8, ...)
    states = [F.pad(last[:, :-1], [0, 0] * (add.dim() - 2) + [1, 0])]
    for k, a in zip(keeps[:-1], adds[:-1], strict=True):
        states.append(torch.addcmul(a, k, states[-1]))
    return torch.stack([*states[1:], last], dim=2).flatten(1, 2)[:, :length]


def _in_order(maps: Tensor) -> Tensor:
    """Lay the g-th of four maps out in the g-th order: (B, H, W, 4, K) -> (B, H W, 4, K)."""
    rows, columns, rows_back, columns_back = maps.unbind(3)
    return torch.stack(
        [
            rows.flatten(1, 2),
            columns.transpose(1, 2).flatten(1, 2),
            rows_back.flatten(1, 2).flip(1),
            columns_back.transpose(1, 2).flatten(1, 2).flip(1),
        ],
        dim=2,
    )


def _at_pixels(steps: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo ``_in_order`` and add the four maps: (B, H W, 4, K) -> (B, H, W, K)."""
    rows, columns, rows_back, columns_back = steps.unbind(2)
    by_row = (rows + rows_back.flip(1)).unflatten(1, size)
    by_column = (columns + columns_back.flip(1)).unflatten(1, size[::-1])
    return by_row + by_column.transpose(1, 2)


def _first_steps(*shape: int) -> Tensor:
    """Biases whose softplus is spread evenly, in the logarithm, from 0.001 to 0.1."""
    low, high = math.log(0.001), math.log(0.1)
    steps = (torch.rand(shape) * (high - low) + low).exp()
    return steps + (-(-steps).expm1()).log()  # softplus of this is steps
