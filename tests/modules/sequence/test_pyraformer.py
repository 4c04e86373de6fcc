"""Pyramidal attention against sets of neighbours, children and parents, node by node."""

import math

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.sequence.pyraformer import (
    CoarserScales,
    PyramidalAttention,
    PyramidAttentionModule,
    pyramid_mask,
)
from tests.modules.generic import generic, rand, same


def neighbourhoods(counts, windows, inner, real):
    """For each node (scale, position) that holds a real step, the nodes it sees."""
    start = [math.prod(windows[:level]) for level in range(len(counts))]
    nodes = [
        (level, i) for level, n in enumerate(counts) for i in range(n) if i * start[level] < real
    ]
    sees = {}
    for level, i in nodes:
        seen = {(level, j) for j in range(i - inner // 2, i + inner // 2 + 1)}
        if level > 0:
            w = windows[level - 1]
            last = i == counts[level] - 1
            end = counts[level - 1] if last else (i + 1) * w
            seen |= {(level - 1, j) for j in range(i * w, end)}
        if level + 1 < len(counts):
            seen.add((level + 1, min(i // windows[level], counts[level + 1] - 1)))
        sees[level, i] = seen & set(nodes)
    return sees


CASES = [
    ((2, 2, 2), 3, 8, [8, 4, 2, 1]),
    ((2, 2, 2), 5, 11, [11, 5, 2, 1]),
    ((4, 4), 3, 37, [37, 9, 2]),
    ((2, 2), 3, 3, [4, 2, 1]),
    ((2, 2, 2), 3, 1, [8, 4, 2, 1]),
]


@pytest.mark.parametrize(("windows", "inner", "steps", "counts"), CASES)
def test_mask(windows, inner, steps, counts):
    sees = neighbourhoods(counts, windows, inner, steps)
    mask = pyramid_mask(counts[0], windows, inner, real=steps, like=torch.zeros(()))
    nodes = [(level, i) for level, n in enumerate(counts) for i in range(n)]
    assert mask.shape == (len(nodes), len(nodes))
    for row, node in enumerate(nodes):
        seen = {nodes[column] for column in mask[row].nonzero().flatten().tolist()}
        assert seen == sees.get(node, {node})  # padding sees itself


def attention(layer, tokens, sees, heads):
    """tokens: node -> (C,); one query and head at a time."""
    q = {n: layer.query.weight @ t + layer.query.bias for n, t in tokens.items()}
    k = {n: layer.key.weight @ t + layer.key.bias for n, t in tokens.items()}
    v = {n: layer.value.weight @ t + layer.value.bias for n, t in tokens.items()}
    out = {}
    width = layer.query.out_features // heads
    for node in tokens:
        parts = []
        for h in range(heads):
            s = slice(h * width, (h + 1) * width)
            seen = sorted(sees[node])
            logits = torch.stack([q[node][s] @ k[n][s] for n in seen]) / width**0.5
            shares = torch.softmax(logits, 0)
            parts.append(sum(a * v[n][s] for a, n in zip(shares, seen, strict=True)))
        out[node] = layer.project.weight @ torch.cat(parts) + layer.project.bias
    return out


@pytest.mark.parametrize(("windows", "inner", "steps", "counts"), CASES[:2] + CASES[3:])
def test_formula(windows, inner, steps, counts):
    channels, heads = 6, 4
    m = generic(PyramidalAttention(channels, windows=windows, inner_size=inner, heads=heads,
                                   head_channels=2))  # fmt: skip
    x = rand(2, channels, steps)
    y = m(x)
    sees = neighbourhoods(counts, windows, inner, steps)
    for b in range(2):
        scale = torch.cat([x[b], torch.zeros(channels, counts[0] - steps)], 1)
        tokens = {(0, i): scale[:, i] for i in range(counts[0])}
        for level, (w, conv) in enumerate(zip(windows, m.scales.coarsen, strict=True)):
            for i in range(counts[level + 1]):
                children = torch.stack([tokens[level, i * w + u] for u in range(w)], 1)
                value = (conv.weight * children).sum((1, 2)) + conv.bias
                tokens[level + 1, i] = value.clamp(min=0)
        tokens = {n: t for n, t in tokens.items() if n in sees}
        attended = dict.fromkeys(tokens, 0)
        for norm, layer in zip(m.norms, m.attentions, strict=True):
            tokens = {
                n: F.layer_norm(t + attended[n], (channels,), norm.weight, norm.bias)
                for n, t in tokens.items()
            }
            attended = attention(layer, tokens, sees, heads)
        same(y[b], torch.stack([attended[0, i] for i in range(steps)], 1))


def test_one_attention_per_window():
    assert len(PyramidalAttention(8, windows=(4, 4)).attentions) == 2
    assert len(PyramidalAttention(8, depth=1).attentions) == 1


def test_the_two_parts_make_the_whole():
    """CSCM and PAM, as a network of one's own would use them."""
    whole = generic(PyramidalAttention(6, windows=(2, 3), heads=2))
    scales, x = CoarserScales(6, windows=(2, 3)).double(), rand(2, 6, 7)
    scales.load_state_dict(whole.scales.state_dict())
    nodes = scales(x)
    assert nodes.shape == (2, 7 + 3 + 1, 6)
    assert scales(rand(1, 6, 4)).shape == (1, 6 + 3 + 1, 6)  # padded to 2 * 3 steps
    attended = 0
    for norm, part in zip(whole.norms, whole.attentions, strict=True):
        attention = PyramidAttentionModule(6, windows=(2, 3), heads=2, head_channels=3).double()
        attention.load_state_dict(part.state_dict())
        nodes = norm(nodes + attended)
        attended = attention(nodes, steps=7)
    same(whole(x), attended[:, :7].transpose(1, 2))
