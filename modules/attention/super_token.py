"""Super token attention of STViT."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, pad_to_multiple
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site


def _cell(site: Site, setting: Setting) -> tuple[int, int]:
    return min(setting["cell"], site.height), min(setting["cell"], site.width)


def _iterations(site: Site, setting: Setting) -> int:
    """A map of one cell has one super token, to which every pixel belongs from the start."""
    return 1 if _cell(site, setting) == (site.height, site.width) else setting["iterations"]


def _heads(site: Site, setting: Setting) -> int:
    """Among one token, the softmax of every head is 1."""
    one = _cell(site, setting) == (site.height, site.width)
    return 0 if one else common_divisor(setting["heads"], site.channels)


@register(
    "super_token",
    slot="attention",
    family="self_attention",
    name="Super token attention",
    year=2022,
    paper="arXiv:2211.11167",
    origin="github.com/hhb072/STViT, NOASSERTION",
    choices={"cell": (2, 4, 8), "iterations": (1, 2), "heads": (2, 4, 8)},
    same={"cell": _cell, "iterations": _iterations, "heads": _heads},
    aliases=(
        "STViT",
        "StokenAttention",
    ),
)
class SuperTokenAttention(nn.Module):
    """Gathers pixels softly into super tokens, attends among those, and spreads them back.

    Super tokens start as the means S of cells of ``cell`` x ``cell`` pixels. ``iterations`` times:
    Q = softmax of x . S_j / sqrt(C) over the 3x3 cells j around a pixel's own; S_j = sum of Q x
    over the pixels near j / sum of Q (the association Q carries no gradient). S' = multi-head
    self-attention among the super tokens and a 1x1 conv; y = sum_j Q S'_j.
    (B, C, H, W) -> the same.

    Departs from the authors' code (models/stvit.py): cells outside the map take no share of the
    softmax, padded pixels none of the means; a cell is never larger than the map; ``heads`` is a
    limit, of which the largest divisor of the width is taken.

    Args:
        channels: C, channels of the map.
        cell: side in pixels of a super token's first cell.
        iterations: rounds of association, at least 1.
        heads: attention heads, a limit: the largest divisor of C is taken.
    """

    def __init__(
        self, channels: int, *, cell: int = 8, iterations: int = 1, heads: int = 8
    ) -> None:
        super().__init__()
        self.cell, self.iterations = cell, iterations
        self.heads = common_divisor(heads, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        cell = min(self.cell, height), min(self.cell, width)
        inside = pad_to_multiple(x.new_ones(1, 1, height, width), cell)
        x = pad_to_multiple(x, cell)
        grid = x.shape[2] // cell[0], x.shape[3] // cell[1]
        pixels = _to_cells(x, cell)  # (B, cells, p, C)
        present = _to_cells(inside, cell)  # (1, cells, p, 1)
        share = self._associate(pixels.detach(), present, grid)  # (B, cells, p, 9)
        tokens = self._refine(_update(pixels, share, grid))
        spread = torch.matmul(share, _neighbours(tokens))  # (B, cells, p, C)
        y = spread.unflatten(2, cell).unflatten(1, grid).permute(0, 5, 1, 3, 2, 4)
        return y.flatten(4, 5).flatten(2, 3)[:, :, :height, :width]

    def _associate(self, pixels: Tensor, present: Tensor, grid: tuple[int, int]) -> Tensor:
        """How much each pixel belongs to the 9 super tokens around it; 0 for padded pixels."""
        outside = _neighbours(present.new_ones(1, 1, *grid)).transpose(2, 3) == 0
        tokens = (pixels * present).sum(2) / present.sum(2)  # (B, cells, C)
        tokens = tokens.transpose(1, 2).unflatten(2, grid)
        scale = pixels.shape[3] ** -0.5
        share = self._share(pixels * scale, tokens, outside) * present
        for _ in range(self.iterations - 1):
            tokens = _update(pixels, share, grid)
            share = self._share(pixels * scale, tokens, outside) * present
        return share

    @staticmethod
    def _share(pixels: Tensor, tokens: Tensor, outside: Tensor) -> Tensor:
        logits = torch.matmul(pixels, _neighbours(tokens).transpose(2, 3))
        return logits.masked_fill(outside, float("-inf")).softmax(3)

    def _refine(self, tokens: Tensor) -> Tensor:
        """Multi-head self-attention among super tokens, (B, C, rows, columns) -> the same."""
        qkv = self.qkv(tokens).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        y = F.scaled_dot_product_attention(qkv[:, 0], qkv[:, 1], qkv[:, 2])
        return self.out(y.transpose(2, 3).flatten(1, 2).unflatten(2, tokens.shape[-2:]))


def _to_cells(x: Tensor, cell: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B, cells, pixels of one, C)."""
    x = x.unflatten(3, (-1, cell[1])).unflatten(2, (-1, cell[0]))
    return x.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)


def _neighbours(tokens: Tensor) -> Tensor:
    """The 3x3 tokens around each, zeros outside: (B, C, rows, columns) -> (B, cells, 9, C)."""
    return F.unfold(tokens, 3, padding=1).unflatten(1, (-1, 9)).permute(0, 3, 2, 1)


def _update(pixels: Tensor, share: Tensor, grid: tuple[int, int]) -> Tensor:
    """Means of the pixels, weighted by their share in each super token: (B, C, rows, columns)."""
    total = torch.einsum("bnpc,bnpk->bckn", pixels, share).flatten(1, 2)
    weight = share.sum(2).transpose(1, 2)  # (B, 9, cells)
    gathered = F.fold(total, grid, 3, padding=1)
    return gathered / (F.fold(weight, grid, 3, padding=1) + 1e-12)
