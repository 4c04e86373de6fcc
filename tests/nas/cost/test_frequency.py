"""What the modules cost that work on spectra and wavelets, to the last digit."""

from math import log2

import torch

from plugnas.modules.mixer.global_filter import GlobalFilter
from plugnas.modules.operator.ffc import FastFourierConvolution
from plugnas.modules.operator.wt_conv import WaveletConvolution
from plugnas.nas.cost import count


def transform(channels: int, height: int, width: int) -> int:
    """MACs of a real FFT: 5 n log2(n) / 2 FLOPs."""
    n = height * width
    return round(5 * channels * n * log2(n) / 4)


def test_global_filter():
    found = count(GlobalFilter(4, grid=8).eval(), torch.zeros(1, 64, 4), size=(8, 8))
    assert found.macs == 2 * transform(4, 8, 8)
    assert found.elementwise == 6 * 4 * 8 * 5  # complex products
    assert found.params == 2 * 4 * 8 * 5


def test_fast_fourier_convolution():
    found = count(FastFourierConvolution(8, 8).eval(), torch.zeros(1, 8, 6, 8))
    area, half = 6 * 8, 6 * 5
    dense = 9 * area * (4 * 8 + 4 * 4)  # from the local part to both, from the global to the local
    spectral = area * (4 * 2 + 2 * 4) + half * 4 * 4 + 2 * transform(2, 6, 8)
    quarters = 3 * 3 * 8 * 4 + transform(4, 3, 4) + transform(2, 3, 4)
    assert found.macs == dense + spectral + quarters


def test_wavelet_convolution():
    found = count(WaveletConvolution(4, 4, kernel_size=3).eval(), torch.zeros(1, 4, 6, 8))
    area = 6 * 8
    assert found.macs == 9 * 4 * area + 9 * 16 * area // 4
    haar = 12 * 4 * area // 4  # four halves summed and differenced, each halved, and joined
    assert found.elementwise == 2 * haar + 4 * area + 16 * area // 4 + 4 * area
