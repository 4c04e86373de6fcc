"""PoolFormer's pooling against timm's, and at the border by hand."""

import pytest
import torch
from timm.models.metaformer import Pooling

from plugnas.modules.attention.pool_mixer import PoolMixer
from tests.modules.generic import rand, same


@pytest.mark.parametrize("kernel_size", [3, 5, 9])
def test_equals_timm(kernel_size):
    x = rand(2, 3, 7, 5)
    same(PoolMixer(3, kernel_size=kernel_size)(x), Pooling(kernel_size)(x))


def test_a_corner_has_four_pixels():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    assert PoolMixer(1)(x)[0, 0, 0, 0].item() == (0 + 1 + 3 + 4) / 4
    assert PoolMixer(1)(torch.ones(1, 1, 4, 4)).abs().max() == 0
