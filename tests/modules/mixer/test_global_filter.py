"""Global filter against sums of waves, and its reading of the filter at other sizes."""

import pytest
import torch

from plugnas.modules import RefusedError
from plugnas.modules.mixer.global_filter import GlobalFilter
from tests.modules import fourier
from tests.modules.generic import generic, rand, same


def _reference(x, kernel, size):
    """x (B, N, C), kernel (H, W // 2 + 1, C) complex."""
    maps = x.unflatten(1, size).permute(0, 3, 1, 2)
    y = fourier.inverse(fourier.forward(maps) * kernel.permute(2, 0, 1), size[1])
    return y.flatten(2).transpose(1, 2)


@torch.no_grad()
def test_equals_its_formula_on_its_own_grid():
    m = generic(GlobalFilter(3, grid=6))
    x = rand(2, 36, 3)
    same(m(x, size=(6, 6)), _reference(x, torch.view_as_complex(m.weight), (6, 6)))


@torch.no_grad()
def test_reads_the_filter_between_its_frequencies_elsewhere():
    m = generic(GlobalFilter(2, grid=4))
    grid = torch.view_as_complex(m.weight)
    for height, width in ((7, 5), (3, 8), (1, 2), (4, 3)):
        kernel = torch.zeros(height, width // 2 + 1, 2, dtype=grid.dtype)
        for u in range(height):
            for v in range(width // 2 + 1):
                row, column = 4 * u / height, 4 * v / width
                for i in range(4):
                    apart = abs(row - i)
                    near = max(0.0, 1 - min(apart, 4 - apart))  # the grid's rows are a ring
                    for j in range(3):
                        kernel[u, v] += near * max(0.0, 1 - abs(column - j)) * grid[i, j]
        x = rand(2, height * width, 2)
        same(m(x, size=(height, width)), _reference(x, kernel, (height, width)))


@torch.no_grad()
def test_a_filter_of_ones_changes_nothing_and_a_wave_shifts_the_map():
    m = generic(GlobalFilter(2, grid=8))
    m.weight.zero_()[..., 0] = 1.0
    for size in ((8, 8), (5, 11)):
        x = rand(1, size[0] * size[1], 2)
        same(m(x, size=size), x)
    turns = torch.arange(8).double() / 8
    m.weight.copy_(torch.view_as_real(torch.exp(-2j * torch.pi * turns))[:, None, None])
    x = rand(1, 64, 2)
    same(m(x, size=(8, 8)), x.unflatten(1, (8, 8)).roll(1, 1).flatten(1, 2))


def test_the_grid_is_even():
    for grid in (7, 0):
        with pytest.raises(RefusedError, match="`grid` must be even"):
            GlobalFilter(4, grid=grid)
