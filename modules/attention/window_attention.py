"""Window attention of Swin, plain and shifted."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, pad_to_multiple
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_Pair = tuple[int, int]


def _same(site: Site, setting: Setting) -> dict[str, bool]:
    """A single window is not shifted."""
    return {"shifted": False} if max(site.height, site.width) <= setting["window"] else {}


@register(
    "window_attention",
    slot="attention",
    family="self_attention",
    name="Swin window attention",
    year=2021,
    paper="arXiv:2103.14030",
    choices={"window": (4, 7, 8), "shifted": (False, True)},
    same=_same,
    aliases=("Swin", "SwinTransformer", "ShiftedWindowAttention"),
    origin="github.com/microsoft/Swin-Transformer, MIT",
)
class WindowAttention(nn.Module):
    """Attends among the pixels of each w x w window, with a bias per head and offset.

    Per head: softmax(q k^T / sqrt(d) + b[dy, dx]) v within a window, b a table of (2 w - 1)^2
    numbers per head; then a 1x1 conv. q, k, v and the output have biases. ``shifted``: the grid of
    windows is moved by w // 2 both ways, and pixels that come together only by the move do not
    attend to each other. There are C // d heads, d = ``head_channels``, or the next smaller number
    that divides C. (B, C, H, W) -> the same; norm, MLP and shortcut belong to Swin's block.

    Departs from the authors' code and timm's: where sides are no multiples of w, padded pixels are
    masked (there they take part as the biases of k and v); a window is never larger than the map,
    along each axis by itself.

    Args:
        channels: C, channels of the map.
        window: w, side of a window in pixels.
        shifted: whether the grid of windows is moved by w // 2.
        head_channels: d, channels of a head, roughly: there are about C // d heads.
    """

    def __init__(
        self, channels: int, *, window: int = 7, shifted: bool = False, head_channels: int = 32
    ) -> None:
        super().__init__()
        self.window, self.shifted = window, shifted
        self.heads = common_divisor(max(1, channels // head_channels), channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.table = nn.Parameter(torch.empty(self.heads, 2 * window - 1, 2 * window - 1))
        nn.init.trunc_normal_(self.table, std=0.02)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        cell = min(self.window, height), min(self.window, width)
        # An axis with a single window needs no shift: all of its pixels attend to each other
        # already.
        rows, columns = (
            c // 2 if self.shifted and c < n else 0
            for c, n in zip(cell, (height, width), strict=True)
        )
        tokens, grid = _partition(x, cell, (rows, columns))  # (B, windows, h w, C)
        qkv = self.qkv(tokens).unflatten(3, (3, self.heads, -1))  # (B, windows, h w, 3, heads, d)
        # One copy, from which all products read without more; windows and heads are one axis, so
        # that what differs by window and head is the same for every sample.
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind(0)
        bias = self._bias(cell)
        if rows or columns or height % cell[0] or width % cell[1]:
            bias = bias + self._apart((height, width), cell, (rows, columns), x.device)[:, None]
        bias = bias.expand(tokens.shape[1], -1, -1, -1).flatten(0, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype).unsqueeze(0))
        y = self.out(y.unflatten(1, (-1, self.heads)).transpose(2, 3).flatten(3))
        y = y.unflatten(2, cell).unflatten(1, grid).transpose(2, 3)
        y = y.flatten(3, 4).flatten(1, 2)  # (B, H, W, C): copied by whole pixels
        if rows or columns:
            y = y.roll((rows, columns), (1, 2))
        return y[:, :height, :width].permute(0, 3, 1, 2)

    def _bias(self, cell: _Pair) -> Tensor:
        """b of every pair of pixels of a window: (heads, h w, h w)."""
        rows, columns = (torch.arange(n, device=self.table.device) for n in cell)
        rows = rows[:, None] - rows + self.window - 1  # (h, h)
        columns = columns[:, None] - columns + self.window - 1
        pairs = self.table[:, rows[:, None, :, None], columns[None, :, None, :]]  # (., h, w, h, w)
        return pairs.flatten(3, 4).flatten(1, 2)

    @staticmethod
    def _apart(size: _Pair, cell: _Pair, shift: _Pair, device: torch.device) -> Tensor:
        """-inf for two places of a window that are kept apart, else 0: (windows, h w, h w)."""
        rows, columns = (
            torch.arange(n, device=device) < s for n, s in zip(size, shift, strict=True)
        )
        region = 1 + rows[:, None].long() + 2 * columns.long()  # what is padded becomes 0
        windows, _ = _partition(region[None, None], cell, shift)
        region = windows[0].flatten(1)  # (windows, h w)
        apart = region[:, :, None] != region[:, None, :]
        return torch.zeros_like(apart, dtype=torch.float32).masked_fill(apart, float("-inf"))


def _partition(x: Tensor, cell: _Pair, shift: _Pair) -> tuple[Tensor, _Pair]:
    """Tokens of the windows of a padded map, moved up and left first, and the grid of windows.

    (B, C, H, W) -> (B, windows, h w, C).
    """
    x = pad_to_multiple(x, cell)
    if any(shift):
        x = x.roll((-shift[0], -shift[1]), (2, 3))
    x = x.unflatten(3, (-1, cell[1])).unflatten(2, (-1, cell[0]))  # (B, C, m, h, n, w)
    tokens = x.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)
    return tokens, (x.shape[2], x.shape[4])
