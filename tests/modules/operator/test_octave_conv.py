"""Octave convolution against a transcription with explicit averages and repetitions."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.octave_conv import OctaveConv, OctaveExchange
from tests.modules.generic import generic, rand, same


def cells(x):
    """Mean of each 2 x 2 cell, those at the border smaller."""
    rows = range(0, x.shape[2], 2)
    columns = range(0, x.shape[3], 2)
    return torch.stack(
        [
            torch.stack([x[:, :, i : i + 2, j : j + 2].mean((2, 3)) for j in columns], -1)
            for i in rows
        ],
        -2,
    )


def repeated(x, height, width):
    rows = torch.stack([x[:, :, i // 2] for i in range(height)], 2)
    return torch.stack([rows[..., j // 2] for j in range(width)], 3)


@pytest.mark.parametrize(
    ("alpha", "stride", "kernel_size", "low", "low_out"),
    [(0.5, 1, 3, 4, 3), (0.25, 2, 3, 2, 2), (0.75, 1, 5, 6, 4)],
)
@pytest.mark.parametrize("size", [(8, 4), (7, 5)])
def test_formula(alpha, stride, kernel_size, low, low_out, size):
    m = generic(OctaveConv(8, 6, alpha=alpha, stride=stride, kernel_size=kernel_size))
    e, x = m.exchange, rand(2, 8, *size)
    assert e.low_low.in_channels == low
    assert e.low_low.out_channels == low_out
    xh, xl = x[:, : 8 - low], cells(x[:, 8 - low :])

    def conv(path, t):
        return F.conv2d(t, path.weight, padding=kernel_size // 2)

    if stride == 2:  # the low map has the size of the high output already
        xh = cells(xh)
        yh = conv(e.high_high, xh) + conv(e.low_high, xl)
        xl = cells(xl)
    else:
        yh = conv(e.high_high, xh) + repeated(conv(e.low_high, xl), *xh.shape[2:])
    height, width = xh.shape[2:]
    yl = conv(e.low_low, xl) + conv(e.high_low, cells(xh))
    same(m(x), torch.cat([yh, repeated(yl, height, width)], 1))


def test_with_stride_2_the_low_map_is_neither_averaged_nor_doubled():
    """As the authors have it: the low map enters the high output at its own resolution."""
    e = generic(OctaveExchange((4, 3), (5, 2), stride=2))
    high, low = rand(2, 4, 8, 12), rand(2, 3, 4, 6, seed=2)
    same(e(high, low)[0], e.high_high(F.avg_pool2d(high, 2)) + e.low_high(low))
    expected = e.low_low(F.avg_pool2d(low, 2)) + e.high_low(F.avg_pool2d(high, 4))
    same(e(high, low)[1], expected)


@pytest.mark.parametrize("stride", [3, 4])
def test_wider_strides_keep_the_contract(stride):
    x = rand(1, 8, 13, 10)
    assert generic(OctaveConv(8, 6, stride=stride))(x).shape == (
        1,
        6,
        -(-13 // stride),
        -(-10 // stride),
    )


def test_first_and_last_layer():
    first = generic(OctaveExchange((4, 0), (3, 2)))
    last = generic(OctaveExchange((3, 2), (5, 0)))
    x = rand(2, 4, 6, 8)
    high, low = first(x, None)
    same(high, F.conv2d(x, first.high_high.weight, padding=1))
    same(low, F.conv2d(cells(x), first.high_low.weight, padding=1))
    y, none = last(high, low)
    assert none is None
    up = repeated(F.conv2d(low, last.low_high.weight, padding=1), 6, 8)
    same(y, F.conv2d(high, last.high_high.weight, padding=1) + up)


@pytest.mark.parametrize("widths", [(1, 4), (4, 1), (1, 1), (2, 3)])
def test_few_channels(widths):
    x = torch.randn(2, widths[0], 3, 3)
    assert OctaveConv(*widths, alpha=0.75, stride=2)(x).shape == (2, widths[1], 2, 2)
