"""Large selective kernel against its formula, with convolutions tap by tap."""

import pytest
import torch

from plugnas.modules.attention.lsk import LargeSelectiveKernel
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand, same


def _reference(module, x):
    first = conv(module.near, x)
    second = conv(module.far, first)
    first, second = pointwise(module.near_value, first), pointwise(module.far_value, second)
    both = torch.cat([first, second])
    pooled = torch.stack([both.sum(0) / both.shape[0], both.max(0).values])
    mask = 1 / (1 + (-conv(module.select, pooled)).exp())
    return x * pointwise(module.out, mask[0] * first + mask[1] * second)


@pytest.mark.parametrize("receptive_field", [11, 23])
def test_equals_the_formula(receptive_field):
    module = generic(LargeSelectiveKernel(4, receptive_field=receptive_field))
    x = rand(4, 6, 5)
    same(module(x[None])[0], _reference(module, x))


@pytest.mark.parametrize("field", [11, 23, 39])
def test_sees_its_receptive_field(field):
    """Through both depthwise convolutions a pixel spreads over exactly that many."""
    module = generic(LargeSelectiveKernel(2, receptive_field=field))
    x = torch.zeros(1, 2, 1, 61, dtype=torch.float64)
    x[..., 30] = 1.0
    spread = module.far(module.near(x)) - module.far(module.near(0 * x))
    (columns,) = (spread.abs().sum((0, 1, 2)) > 0).nonzero(as_tuple=True)
    assert columns.max() - columns.min() + 1 == field
