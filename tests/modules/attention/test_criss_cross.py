"""Criss-cross attention against the formula, pixel by pixel."""

import pytest
import torch

from plugnas.modules.attention.criss_cross import CrissCrossAttention
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand


def _once(module, x):
    q, k, v = (pointwise(f, x) for f in (module.query, module.key, module.value))
    height, width = x.shape[1:]
    y = torch.zeros_like(x)
    for i in range(height):
        for j in range(width):
            path = {(a, j) for a in range(height)} | {(i, b) for b in range(width)}
            assert len(path) == height + width - 1
            weights = {p: (q[:, i, j] @ k[:, p[0], p[1]]).exp() for p in path}
            total = sum(weights.values())
            y[:, i, j] = sum(w / total * v[:, p[0], p[1]] for p, w in weights.items())
    return module.gamma * y + x


@pytest.mark.parametrize(("reduction", "recurrence"), [(2, 1), (16, 2)])
def test_equals_the_formula(reduction, recurrence):
    module = generic(CrissCrossAttention(8, reduction=reduction, recurrence=recurrence))
    x = rand(8, 3, 5)
    expected = x
    for _ in range(recurrence):
        expected = _once(module, expected)
    torch.testing.assert_close(module(x[None])[0], expected)


def test_two_rounds_reach_every_pixel():
    for recurrence, reached in ((1, 3 + 4 - 1), (2, 12)):
        module = generic(CrissCrossAttention(4, recurrence=recurrence))
        x = rand(1, 4, 3, 4).requires_grad_()
        (gradient,) = torch.autograd.grad(module(x)[0, :, 1, 2].sum(), x)
        assert (gradient.abs().amax(1) > 0).sum() == reached
