"""Fourier transforms of maps against their sums; half precision and empty batches."""

import torch

from plugnas.modules._spectrum import from_spectrum, spectrum
from tests.modules import fourier
from tests.modules.generic import rand, same


def test_both_ways_equal_the_sums():
    for size in ((5, 6), (4, 7), (1, 1), (3, 1)):
        x = rand(2, 3, *size)
        waves = spectrum(x)
        same(torch.view_as_real(waves), torch.view_as_real(fourier.forward(x)))
        same(from_spectrum(waves, size), x)
        other = torch.complex(rand(*waves.shape, seed=2), rand(*waves.shape, seed=3))
        same(from_spectrum(other, size), fourier.inverse(other, size[1]))
        last = spectrum(x.permute(0, 2, 3, 1), dims=(1, 2))
        same(torch.view_as_real(last.permute(0, 3, 1, 2)), torch.view_as_real(waves))


def test_half_precision_is_transformed_in_single():
    x = rand(1, 2, 4, 6)
    for dtype in (torch.float16, torch.bfloat16):
        half = spectrum(x.to(dtype))
        assert half.dtype == torch.complex64
        assert (half - spectrum(x)).abs().max() < 0.05


def test_an_empty_batch_stays_in_the_graph():
    x = torch.zeros(0, 2, 5, 6, requires_grad=True)
    for dims, size in (((2, 3), (5, 6)), ((1, 2), (2, 5))):
        waves = spectrum(x, dims)
        assert waves.shape[dims[1]] == size[1] // 2 + 1
        assert waves.is_complex()
        y = from_spectrum(waves, size, dims)
        assert y.shape == x.shape
        assert y.requires_grad
