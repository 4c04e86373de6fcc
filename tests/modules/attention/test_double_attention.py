"""Double attention against the formula: gather per map, distribute per pixel."""

import pytest
import torch

from plugnas.modules.attention.double_attention import DoubleAttention
from tests.modules.attention.reference import bn, pointwise
from tests.modules.generic import generic, rand


@pytest.mark.parametrize(
    ("expansion", "map_expansion", "residual"), [(0.25, 0.5, True), (2.0, 0.25, False)]
)
def test_equals_the_formula(expansion, map_expansion, residual):
    module = DoubleAttention(8, expansion=expansion, map_expansion=map_expansion, residual=residual)
    module = generic(module)
    x = rand(8, 3, 4)
    feature, where, which = (
        pointwise(f, x) for f in (module.feature, module.gather, module.distribute)
    )
    assert len(feature) == int(8 * expansion)
    assert len(where) == len(which) == int(8 * map_expansion)
    descriptors = []
    for plane in where:
        weights = plane.exp() / plane.exp().sum()
        descriptors.append((feature * weights).sum((1, 2)))
    z = torch.zeros_like(feature)
    for i in range(3):
        for j in range(4):
            weights = which[:, i, j].softmax(0)
            z[:, i, j] = sum(w * g for w, g in zip(weights, descriptors, strict=True))
    if residual:
        expected = x + bn(module.out[1], pointwise(module.out[0], z))
    else:
        expected = pointwise(module.out, z)
    torch.testing.assert_close(module(x[None])[0], expected)
