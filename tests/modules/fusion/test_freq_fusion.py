"""FreqFusion against its formula pixel by pixel."""

import math

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.fusion.freq_fusion import FrequencyFusion
from tests.modules.generic import generic, pointwise, rand


def _kernels(logits):
    """Softmax, times the Hamming window, divided by the sum, as the authors write it."""
    k = math.isqrt(logits.shape[1])
    line = torch.hamming_window(k, periodic=False, dtype=logits.dtype)
    window = torch.outer(line, line).flatten()[:, None, None]
    shares = logits.exp() / logits.exp().sum(1, keepdim=True) * window
    return shares / shares.sum(1, keepdim=True)


def _sum(y, kernels):
    """Each pixel of the large map, each tap, each channel."""
    k, (height, width) = math.isqrt(kernels.shape[1]), kernels.shape[2:]
    out = torch.zeros(*y.shape[:2], height, width, dtype=y.dtype)
    for i in range(height):
        for j in range(width):
            row, column = i * y.shape[2] // height, j * y.shape[3] // width
            for n in range(k * k):
                r, c = row + n // k - k // 2, column + n % k - k // 2
                if 0 <= r < y.shape[2] and 0 <= c < y.shape[3]:
                    out[:, :, i, j] += kernels[:, n, i, j, None] * y[:, :, r, c]
    return out


def _encode(maker, x):
    return F.conv2d(x, maker.encode.weight, maker.encode.bias, padding=1)


def _joined(mover, x):
    """Group norm, then cosines with the neighbours at distance 2 behind it."""
    x = F.group_norm(x, x.shape[1] // 8, mover.norm.weight, mover.norm.bias)
    padded = F.pad(x, [2] * 4)
    cosines = [
        F.cosine_similarity(x, padded[..., i : i + x.shape[2], j : j + x.shape[3]], dim=1)
        for i in (0, 2, 4)
        for j in (0, 2, 4)
        if (i, j) != (2, 2)
    ]
    return torch.cat([x, torch.stack(cosines, dim=1)], dim=1)


def _moves(m, fine, coarse):
    """(B, 2 groups, H, W) in pixels of the coarse map."""
    height, width = fine.shape[2:]
    rows = torch.arange(height) * coarse.shape[2] // height
    columns = torch.arange(width) * coarse.shape[3] // width
    offset, scale = 0.0, 0.0
    for mover, x in ((m.shift.fine, fine), (m.shift.coarse, coarse)):
        seen = _joined(mover, x)
        o = F.conv2d(seen, mover.offset.weight, mover.offset.bias, padding=1)
        s = F.conv2d(seen, mover.scale.weight, mover.scale.bias, padding=1)
        if x is coarse:
            o, s = (t[:, :, rows][..., columns] for t in (o, s))
        offset, scale = offset + o, scale + s
    return offset / (1 + torch.exp(-scale))


def _read(x, row, column):
    """The value of (C, H, W) at one point, the border continued outside."""
    row = min(max(row, 0.0), x.shape[1] - 1.0)
    column = min(max(column, 0.0), x.shape[2] - 1.0)
    y = torch.zeros(x.shape[0], dtype=x.dtype)
    for r in {math.floor(row), math.ceil(row)}:
        for c in {math.floor(column), math.ceil(column)}:
            y += (1 - abs(row - r)) * (1 - abs(column - c)) * x[:, r, c]
    return y


def _shifted(m, x, fine, coarse):
    moves, groups = _moves(m, fine, coarse), m.shift.groups
    width = x.shape[1] // groups
    ratio = [x.shape[2] / coarse.shape[2], x.shape[3] / coarse.shape[3]]
    out = torch.empty_like(x)
    for b in range(x.shape[0]):
        for g in range(groups):
            part = slice(g * width, (g + 1) * width)
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    column = j + ratio[1] * float(moves[b, g, i, j])
                    row = i + ratio[0] * float(moves[b, groups + g, i, j])
                    out[b, part, i, j] = _read(x[b, part], row, column)
    return out


def _reference(m, x, y):
    u = pointwise(x, m.fine.weight, m.fine.bias)
    v = pointwise(y, m.coarse.weight, m.coarse.bias)
    high = _encode(m.high, u)
    u = u + (u - _sum(u, _kernels(high)))
    low = _encode(m.low, u)
    low = low + _sum(_encode(m.low, v), _kernels(low))
    high = high + _sum(_encode(m.high, v), _kernels(low))
    smooth = _sum(y, _kernels(low))
    if m.shift is not None:
        smooth = _shifted(m, smooth, u, v)
    return smooth + x + (x - _sum(x, _kernels(high)))


@torch.no_grad()
@pytest.mark.parametrize(
    ("resample", "size"),
    [(False, (2, 3)), (True, (2, 3)), (True, (4, 6)), (True, (1, 2)), (False, (3, 5))],
)
def test_equals_the_formula(resample, size):
    m = generic(FrequencyFusion(8, compressed_channels=16, resample=resample))
    for parameter in m.parameters():
        parameter.mul_(0.4)  # keeps the softmaxes away from 0 and 1
    x, y = rand(2, 8, 4, 6), rand(2, 8, *size, seed=2)
    # the window is kept in single precision
    torch.testing.assert_close(m(x, y), _reference(m, x, y), rtol=1e-6, atol=1e-6)


def test_starts_as_fixed_filters():
    """Fresh kernels are Hamming windows: constants pass, but for the border."""
    torch.manual_seed(0)
    m = FrequencyFusion(4)
    x = torch.full((1, 4, 12, 12), 0.3)
    y = torch.full((1, 4, 6, 6), 0.5)
    with torch.no_grad():
        out = m(x, y)[..., 5:7, 5:7]
    torch.testing.assert_close(out, torch.full_like(out, 0.8), rtol=0.0, atol=1e-2)
