"""CARAFE against a loop over the pixels of the result."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.upsampling.carafe import Carafe
from tests.modules.generic import generic, pointwise, rand, same


def _reference(m, x, scale, k):
    """The authors' order: logits shuffled to the large map first, then a softmax per pixel."""
    z = pointwise(x, m.compress.weight, m.compress.bias)
    logits = F.conv2d(z, m.encode.weight, m.encode.bias, padding=(k - 2) // 2)
    logits = F.pixel_shuffle(logits, scale)  # (B, k^2, sH, sW)
    y = torch.zeros(*x.shape[:2], *logits.shape[2:], dtype=x.dtype)
    for i in range(logits.shape[2]):
        for j in range(logits.shape[3]):
            weights = logits[:, :, i, j].softmax(1)
            for n in range(k * k):
                row, column = i // scale + n // k - k // 2, j // scale + n % k - k // 2
                if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                    y[:, :, i, j] += weights[:, n, None] * x[:, :, row, column]
    return y


@torch.no_grad()
@pytest.mark.parametrize(("scale", "k"), [(2, 5), (3, 3), (2, 7)])
def test_equals_the_loop(scale, k):
    m = generic(Carafe(3, scale=scale, kernel_size=k, compressed_channels=4))
    x = rand(2, 3, 4, 5)
    same(m(x), _reference(m, x, scale, k))


@torch.no_grad()
def test_starts_near_the_mean_of_the_neighbourhood():
    x = torch.rand(1, 3, 8, 8)
    y = Carafe(3)(x)
    mean = F.avg_pool2d(x, 5, 1, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(y, mean, rtol=0.0, atol=0.02)
