"""Efficient additive attention against its formula, token by token."""

import torch

from plugnas.modules.mixer.efficient_additive import EfficientAdditive
from tests.modules.generic import generic, rand


def _length(v):
    return (v**2).sum() ** 0.5


def _linear(v, linear):
    return linear.weight @ v + linear.bias


def test_equals_the_formula():
    for expansion, width in ((1.0, 6), (0.5, 3), (2.0, 12)):
        ours = generic(EfficientAdditive(6, expansion=expansion))
        x = rand(2, 7, 6)
        for b in range(2):
            q = [_linear(token, ours.query) for token in x[b]]
            k = [_linear(token, ours.key) for token in x[b]]
            q, k = [v / _length(v) for v in q], [v / _length(v) for v in k]
            assert len(q[0]) == width
            scores = torch.stack([v @ ours.score.weight[0] / width**0.5 for v in q])
            scores = scores / _length(scores)
            summary = sum(scores[n] * q[n] for n in range(7))
            for n in range(7):
                inner = _linear(summary * k[n], ours.gated) + q[n]
                expected = _linear(inner, ours.project)
                torch.testing.assert_close(ours(x, size=(1, 7))[b, n], expected)
