"""The split blocks of the YOLO family: C2f, C3k2, ELAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, hidden_width, one_of
from plugnas.modules._registry import register

_FORMS = ("c2f", "c3k2", "elan")


def _conv(in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1) -> ConvBN:
    return ConvBN(in_channels, out_channels, kernel_size, stride=stride, activation=nn.SiLU())


class _Bottleneck(nn.Module):
    """Two 3x3 convolutions, C -> m -> C, added to the input where ``add`` says so."""

    def __init__(self, channels: int, hidden: int, *, add: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(_conv(channels, hidden, 3), _conv(hidden, channels, 3))
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.add else y


class _CrossStage(nn.Module):
    """C3k: two bottlenecks on one pointwise map of the input, joined with another one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = hidden_width(channels, 2)
        self.deep = nn.Sequential(
            _conv(channels, hidden), *(_Bottleneck(hidden, hidden) for _ in range(2))
        )
        self.direct = _conv(channels, hidden)
        self.join = _conv(2 * hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.deep(x), self.direct(x)], dim=1))


@register(
    "c2f",
    slot="operator",
    family="dense_aggregation",
    name="C2f, C3k2 and ELAN (YOLOv8, YOLO11, YOLOv7)",
    year=2023,
    paper="YOLOv8 (Ultralytics 2023); ELAN arXiv:2207.02696",
    choices={"form": _FORMS, "depth": (1, 2, 3)},
    aliases=("C3k2", "ELAN"),
    origin="github.com/ultralytics/ultralytics, AGPL-3.0-only",
)
class C2f(nn.Module):
    """Cuts the channels in two, sends one part through n blocks in a row and joins every result.

    a, b_0 = the halves of P(x); b_i = block_i(b_(i-1)); y = Q([a, b_0, ..., b_n]). P: Cin -> 2 c
    and Q: (2 + n) c -> Cout are pointwise, c = max(1, Cout // 2); each convolution goes on with
    batch norm and SiLU. A block is, by ``form``:

    c2f: b + F(G(b)), both 3x3, c -> c -> c (YOLOv8). elan: F(G(b)) alone (YOLOv7; YOLOv8's neck).
    c3k2: C3k (YOLO11): R([D(S(b)), T(b)]), S and T pointwise c -> c // 2, D two bottlenecks of
    constant width as in c2f, R pointwise back to c.

    Where there is a stride, a 3x3 convolution Cin -> Cout takes it first, as in those networks.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). Batch norm has torch's constants, where
    Ultralytics sets eps 1e-3; YOLOv7 joins in the opposite order, a permutation of Q's channels.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        form: ``c2f``, ``c3k2`` or ``elan``: what a block is.
        depth: n, blocks in a row, at least 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        form: str = "c2f",
        depth: int = 1,
    ) -> None:
        super().__init__()
        one_of("form", form, _FORMS)
        width = hidden_width(out_channels, 2)
        self.enter: nn.Module = nn.Identity()
        if stride > 1:
            self.enter = _conv(in_channels, out_channels, 3, stride)
            in_channels = out_channels
        self.split = _conv(in_channels, 2 * width)
        self.blocks = nn.ModuleList(
            _CrossStage(width) if form == "c3k2" else _Bottleneck(width, width, add=form == "c2f")
            for _ in range(depth)
        )
        self.join = _conv((2 + depth) * width, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.split(self.enter(x)).chunk(2, dim=1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.join(torch.cat(parts, dim=1))
