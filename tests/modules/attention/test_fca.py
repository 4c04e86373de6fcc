"""Multi-spectral attention against its formula and against scipy's cosine transform."""

import math

import pytest
import scipy.fft
import torch

from plugnas.modules.attention.fca import FCA
from plugnas.modules.errors import RefusedError
from tests.modules.generic import generic, rand

TOP = [(0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0)]
# The authors' order: by u + v, and of sum 5 the first is (0, 5).
LOW = [
    (0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 1), (1, 2),
    (2, 2), (0, 3), (3, 0), (4, 0), (0, 4), (1, 3), (3, 1), (0, 5),
]  # fmt: skip


def _check(ours, x, pooled, frequencies):
    spectrum = scipy.fft.dctn(pooled.numpy(), axes=(2, 3), norm="ortho")
    part = x.shape[1] // len(frequencies)
    f = torch.tensor(
        [[spectrum[b][c][frequencies[c // part]] for c in range(x.shape[1])] for b in range(len(x))]
    )
    hidden = (f @ ours.squeeze.weight.T).clamp(min=0)
    gate = 1 / (1 + torch.exp(-(hidden @ ours.excite.weight.T)))
    torch.testing.assert_close(ours(x), x * gate[:, :, None, None], rtol=1e-5, atol=1e-5)


def test_equals_scipy_on_a_map_of_the_size():
    for name, frequencies in (
        ("top8", TOP), ("top4", TOP[:4]), ("top1", TOP[:1]), ("low8", LOW[:8]), ("low16", LOW),
    ):  # fmt: skip
        x = rand(2, 16, 7, 7)
        _check(generic(FCA(16, frequencies=name, reduction=4)), x, x, frequencies)


def test_a_larger_size_doubles_the_frequencies():
    x = rand(1, 8, 14, 14)
    doubled = [(2 * u, 2 * v) for u, v in TOP]
    _check(generic(FCA(8, frequencies="top8", reduction=2, dct_size=14)), x, x, doubled)


def test_pools_to_the_size_and_lowers_the_count_to_a_divisor():
    x = rand(2, 10, 14, 21)
    pooled = x.unflatten(3, (7, 3)).unflatten(2, (7, 2)).mean((3, 5))
    _check(generic(FCA(10, frequencies="top8", reduction=2)), x, pooled, TOP[:5])


def test_top16_by_hand():
    pairs = [*TOP, (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2)]
    ours = FCA(16)
    for i, (u, v) in enumerate(pairs):
        scale = (math.sqrt(2) if u else 1.0) * (math.sqrt(2) if v else 1.0) / 7
        for p, q in ((0, 0), (2, 5), (6, 1)):
            value = math.cos(math.pi * u * (p + 0.5) / 7) * math.cos(math.pi * v * (q + 0.5) / 7)
            assert float(ours.basis[i, p, q]) == pytest.approx(scale * value, abs=1e-6)


def test_refuses_a_size_in_which_frequencies_collapse():
    with pytest.raises(RefusedError, match="at least 7"):
        FCA(16, dct_size=6)
