"""Bottleneck attention against timm's, and pair by pair where timm has nothing."""

import pytest
import torch
from timm.layers.bottleneck_attn import BottleneckAttn
from torch.nn import functional as F

from plugnas.modules.attention.bot_attention import BottleneckAttention
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand, same


def test_equals_timm():
    ours = generic(BottleneckAttention(8, heads=2, size=5))
    theirs = BottleneckAttn(8, feat_size=(5, 5), num_heads=2, dim_head=4, scale_pos_embed=True)
    theirs = theirs.double().eval()
    with torch.no_grad():
        theirs.qkv.load_state_dict(ours.qkv.state_dict())
        theirs.pos_embed.height_rel.copy_(ours.rows)
        theirs.pos_embed.width_rel.copy_(ours.columns)
        x = rand(2, 8, 5, 5)
        same(ours(x), theirs(x))


def _pairwise(module, x, position):
    """``position(head query, i, j, a, b)`` gives what is added to k at (a, b)."""
    height, width = x.shape[1:]
    q, k, v = pointwise(module.qkv, x).chunk(3)
    d = x.shape[0] // module.heads
    y = torch.zeros_like(x)
    keys = [(a, b) for a in range(height) for b in range(width)]
    for h in range(module.heads):
        part = slice(h * d, (h + 1) * d)
        for i in range(height):
            for j in range(width):
                logits = torch.stack(
                    [
                        q[part, i, j] @ (k[part, a, b] + position(i, j, a, b)) / d**0.5
                        for a, b in keys
                    ]
                )
                share = logits.exp() / logits.exp().sum()
                y[part, i, j] = sum(
                    s * v[part, a, b] for s, (a, b) in zip(share, keys, strict=True)
                )
    return y


def _stretched(table, entries):
    """Linear interpolation with half-pixel centres, entry by entry."""
    scale = table.shape[0] / entries
    rows = []
    for i in range(entries):
        at = min(max((i + 0.5) * scale - 0.5, 0.0), table.shape[0] - 1.0)
        low = int(at)
        high = min(low + 1, table.shape[0] - 1)
        rows.append(table[low] * (1 - (at - low)) + table[high] * (at - low))
    return torch.stack(rows)


@pytest.mark.parametrize("size", [(4, 3), (2, 5), (1, 1)])
def test_other_sizes(size):
    height, width = size
    relative = generic(BottleneckAttention(6, heads=2, size=4))
    rows = _stretched(relative.rows, 2 * height - 1)
    columns = _stretched(relative.columns, 2 * width - 1)
    x = rand(6, height, width)
    expected = _pairwise(
        relative, x, lambda i, j, a, b: rows[a - i + height - 1] + columns[b - j + width - 1]
    )
    same(relative(x[None])[0], expected)

    absolute = generic(BottleneckAttention(6, heads=2, position="absolute", size=4))
    rows, columns = _stretched(absolute.rows, height), _stretched(absolute.columns, width)
    expected = _pairwise(absolute, x, lambda i, j, a, b: rows[a] + columns[b])
    same(absolute(x[None])[0], expected)


def test_without_positions_it_is_plain_attention():
    module = generic(BottleneckAttention(6, heads=3))
    module.rows.zero_()
    module.columns.zero_()
    x = rand(2, 6, 3, 4)
    q, k, v = (t.flatten(2).transpose(1, 2) for t in module.qkv(x).chunk(3, dim=1))
    q, k, v = (t.unflatten(2, (3, 2)).transpose(1, 2) for t in (q, k, v))
    y = F.softmax(q @ k.transpose(2, 3) / 2**0.5, dim=3) @ v
    same(module(x), y.transpose(1, 2).flatten(2).transpose(1, 2).unflatten(2, (3, 4)))
