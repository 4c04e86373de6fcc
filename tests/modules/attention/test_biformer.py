"""Bi-level routing against the formula, region by region, query by query."""

import pytest
import torch

from plugnas.modules.attention.biformer import BiLevelRoutingAttention
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand


def _regions(height, width, regions):
    """The pixels of each region, those that exist only."""
    side = -(-height // regions), -(-width // regions)
    cells = {}
    for i in range(height):
        for j in range(width):
            cells.setdefault((i // side[0], j // side[1]), []).append((i, j))
    return list(cells.values())


@pytest.mark.parametrize(
    ("size", "regions", "top_k", "heads", "count"),
    [((4, 6), 2, 2, 2, 4), ((5, 4), 3, 3, 4, 6), ((3, 5), 4, 1, 1, 9), ((2, 2), 2, 8, 2, 4)],
)
def test_equals_the_formula(size, regions, top_k, heads, count):
    module = generic(BiLevelRoutingAttention(8, regions=regions, top_k=top_k, heads=heads))
    x = rand(8, *size)
    q, k, v = pointwise(module.qkv, x).chunk(3)
    cells = _regions(*size, regions)
    assert len(cells) == count
    mean = {id(t): [sum(t[:, i, j] for i, j in c) / len(c) for c in cells] for t in (q, k)}
    y = torch.zeros_like(x)
    d = 8 // heads
    for r, cell in enumerate(cells):
        likeness = [(mean[id(q)][r] @ other).item() for other in mean[id(k)]]
        best = sorted(range(count), key=lambda other: -likeness[other])[:top_k]
        keys = [place for other in best for place in cells[other]]
        for i, j in cell:
            for h in range(heads):
                s = slice(h * d, (h + 1) * d)
                logits = torch.stack([q[s, i, j] @ k[s, a, b] / d**0.5 for a, b in keys])
                weights = logits.softmax(0)
                y[s, i, j] = sum(w * v[s, a, b] for w, (a, b) in zip(weights, keys, strict=True))
    expected = pointwise(module.out, y + conv(module.local, v))
    torch.testing.assert_close(module(x[None])[0], expected)
