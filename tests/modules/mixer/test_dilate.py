"""Dilated attention against loops over positions, heads and neighbours."""

import torch

from plugnas.modules.mixer.dilate import DilateAttention
from tests.modules.generic import generic, rand


def _literal(ours, x, size, kernel_size, dilations, heads):
    """One sample (N, C); ``heads`` of each dilation."""
    height, width = size
    q, k, v = (x @ ours.qkv.weight.T).chunk(3, dim=1)
    inner = q.shape[1]
    d = inner // (heads * len(dilations))
    y = torch.zeros_like(q)
    reach = kernel_size // 2
    for g, dilation in enumerate(dilations):
        for h in range(heads):
            start = (g * heads + h) * d
            own = slice(start, start + d)
            for i in range(height):
                for j in range(width):
                    logits, values = [], []
                    for di in range(-reach, reach + 1):
                        for dj in range(-reach, reach + 1):
                            r, c = i + dilation * di, j + dilation * dj
                            inside = 0 <= r < height and 0 <= c < width
                            n, m = i * width + j, r * width + c
                            logits.append(q[n, own] @ k[m, own] / d**0.5 if inside else 0.0)
                            values.append(v[m, own] if inside else torch.zeros(d).double())
                    weights = torch.tensor(logits, dtype=torch.float64).softmax(0)
                    y[i * width + j, own] = sum(
                        w * value for w, value in zip(weights, values, strict=True)
                    )
    return y @ ours.project.weight.T + ours.project.bias


def test_equals_loops():
    for channels, heads, kernel_size, dilations, per_dilation, inner in (
        (8, 4, 3, (1, 2), 2, 8),
        (6, 2, 5, (1, 3), 1, 6),
        (8, 8, 3, (1, 2, 3), 2, 12),
    ):
        ours = generic(
            DilateAttention(channels, heads=heads, kernel_size=kernel_size, dilations=dilations)
        )
        assert ours.project.in_features == inner
        x = rand(2, 12, channels)
        for b in range(2):
            expected = _literal(ours, x[b], (3, 4), kernel_size, dilations, per_dilation)
            torch.testing.assert_close(ours(x, size=(3, 4))[b], expected)
