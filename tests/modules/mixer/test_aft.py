"""The attention-free transformer against sums over all pairs of positions."""

import torch
from torch.nn import functional as F

from plugnas.modules.mixer.aft import AFT
from tests.modules.generic import generic, rand


def _bias(ours, mode, size, window, heads, channels):
    """w[t][s], a number or one per channel."""
    height, width = size
    count = height * width
    w = torch.zeros(count, count, channels).double()
    for t in range(count):
        for s in range(count):
            if mode == "conv":
                k = ours.kernel.shape[-1]
                di, dj = s // width - t // width + k // 2, s % width - t % width + k // 2
                if 0 <= di < k and 0 <= dj < k:
                    for c in range(channels):
                        w[t, s, c] = ours.kernel[c * heads // channels, 0, di, dj]
            elif mode == "full" or (mode == "local" and abs(t - s) < window):
                places = ours.places
                if places.shape[2:] != size:
                    places = F.interpolate(places, size, mode="bilinear", align_corners=False)
                w[t, s] = places[0].flatten(1)[:, t] @ places[1].flatten(1)[:, s]
    return w


def _literal(ours, x, w):
    q = x @ ours.query.weight.T + ours.query.bias
    k = x @ ours.key.weight.T
    v = x @ ours.value.weight.T + ours.value.bias
    y = []
    for t in range(len(x)):
        weights = torch.exp(k + w[t])  # (N, C)
        y.append(q[t].sigmoid() * (weights * v).sum(0) / weights.sum(0))
    return torch.stack(y) @ ours.project.weight.T + ours.project.bias


def test_equals_sums_over_pairs():
    for mode, size in (("full", (3, 3)), ("full", (4, 5)), ("local", (3, 4)), ("simple", (3, 4))):
        ours = generic(AFT(6, mode=mode, window=4, rank=2, grid=3))
        x = rand(2, size[0] * size[1], 6)
        w = _bias(ours, mode, size, 4, 1, 6)
        for b in range(2):
            torch.testing.assert_close(ours(x, size=size)[b], _literal(ours, x[b], w))


def test_conv_equals_sums_over_pairs():
    for kernel_size, heads, used in ((3, 2, 2), (5, 4, 3)):
        ours = generic(AFT(6, mode="conv", kernel_size=kernel_size, heads=heads))
        x = rand(2, 12, 6)
        w = _bias(ours, "conv", (3, 4), 0, used, 6)
        for b in range(2):
            torch.testing.assert_close(ours(x, size=(3, 4))[b], _literal(ours, x[b], w))


def test_large_keys_do_not_overflow():
    for mode in ("full", "simple", "local", "conv"):
        module = AFT(6, mode=mode)
        x = 1e4 * rand(1, 12, 6).float()
        assert module(x, size=(3, 4)).isfinite().all()
