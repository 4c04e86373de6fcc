"""Stack of axial attentions and convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d, hidden_width
from plugnas.modules._registry import register


class _ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class _AxisAttention(nn.Module):
    """Multi-head attention of the normalised map along one axis (2: columns, 3: rows)."""

    def __init__(self, channels: int, *, axis: int, heads: int, head_channels: int) -> None:
        super().__init__()
        self.axis = axis
        self.heads = heads
        width = heads * head_channels
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, width, bias=False)
        self.key = nn.Linear(channels, width, bias=False)
        self.value = nn.Linear(channels, width, bias=False)
        self.project = nn.Linear(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        lines = self.norm(x.movedim((1, self.axis), (3, 2)))  # (B, other axis, this axis, C)
        q, k, v = (
            layer(lines).flatten(0, 1).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        y = self.project(y).unflatten(0, (-1, lines.shape[1]))
        return y.movedim((3, 2), (1, self.axis))


def _feed_forward(channels: int, expansion: int) -> nn.Sequential:
    return nn.Sequential(
        _ChannelNorm(channels),
        conv2d(channels, channels * expansion, 3, bias=True),
        nn.LeakyReLU(0.01),
        conv2d(channels * expansion, channels, 3, bias=True),
    )


@register(
    "axial_image_transformer",
    slot="stage",
    family="self_attention",
    name="Axial image transformer stack",
    year=2019,
    paper="arXiv:1912.12180",
    choices={"depth": (1, 2, 4), "heads": (4, 8), "reversible": (False, True)},
    aliases=("AxialTransformer",),
    origin="github.com/google-research/google-research, Apache-2.0",
)
class AxialImageTransformer(nn.Module):
    """Alternates attention along columns and rows with pairs of 3x3 convolutions.

    Each of ``depth`` layers holds two pairs (f, g): attention along H and along W, then two
    feed-forwards conv3x3(leaky(conv3x3(norm x))) of width expansion C; all see layer-normalised
    channels. Residual: x = x + f(x), x = x + g(x). Reversible: two streams that start as x,
    x1 = x1 + f(x2), x2 = x2 + g(x1), and their mean at the end. (B, C, H, W) -> the same.

    With ``positions=(h, w)`` two tables of h rows and w columns are added first, interpolated to
    the size of the map.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/Axial_attention.py): ordinary autograd (same values, no saved memory); eps
    stands inside the root of the norm, so that a constant map has a gradient; heads that do not
    divide C have max(1, C // heads) channels each. The paper's causal masks are not part of it.

    Args:
        channels: C, channels of the map.
        depth: layers, at least 1.
        heads: attention heads, any number.
        head_channels: channels of a head; None: C // heads, at least 1.
        expansion: the width inside a feed-forward over C.
        reversible: whether there are two streams; else residuals.
        positions: (h, w), rows and columns of the tables of positions; None: no tables.
    """

    def __init__(
        self,
        channels: int,
        *,
        depth: int = 1,
        heads: int = 8,
        head_channels: int | None = None,
        expansion: int = 4,
        reversible: bool = True,
        positions: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.reversible = reversible
        self.rows: nn.Parameter | None = None
        self.columns: nn.Parameter | None = None
        if positions is not None:
            self.rows = nn.Parameter(torch.randn(1, channels, positions[0], 1))
            self.columns = nn.Parameter(torch.randn(1, channels, 1, positions[1]))
        width = head_channels or hidden_width(channels, heads)
        pairs: list[nn.Module] = []
        for _ in range(depth):
            pairs += [
                _AxisAttention(channels, axis=axis, heads=heads, head_channels=width)
                for axis in (2, 3)
            ]
            pairs += [_feed_forward(channels, expansion) for _ in range(2)]
        self.layers = nn.ModuleList(pairs)  # f, g, f, g, ...

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.rows is not None and self.columns is not None:
            x = x + F.interpolate(self.rows, size=(height, 1), mode="bilinear")
            x = x + F.interpolate(self.columns, size=(1, width), mode="bilinear")
        if not self.reversible:
            for layer in self.layers:
                x = x + layer(x)
            return x
        first = second = x
        for f, g in zip(self.layers[::2], self.layers[1::2], strict=True):
            first = first + f(second)
            second = second + g(first)
        return (first + second) / 2
