"""Shuffle attention against the formula, channel by channel."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.attention.shuffle_attention import ShuffleAttention
from tests.modules.generic import generic, rand


@pytest.mark.parametrize(("channels", "groups", "used"), [(16, 4, 4), (20, 4, 2), (12, 64, 6)])
def test_equals_the_formula(channels, groups, used):
    module = generic(ShuffleAttention(channels, groups=groups))
    x = rand(channels, 3, 5)
    assert module.groups == used
    size = channels // used
    half = size // 2
    before = []
    for c in range(channels):
        place = c % size
        k = place % half
        if place < half:
            logit = module.channel_weight[k] * x[c].mean() + module.channel_bias[k]
        else:
            normed = (x[c] - x[c].mean()) / (x[c].var(unbiased=False) + module.norm.eps).sqrt()
            normed = normed * module.norm.weight[k] + module.norm.bias[k]
            logit = module.spatial_weight[k] * normed + module.spatial_bias[k]
        before.append(x[c] * logit.sigmoid())
    expected = [before[part * channels // 2 + c] for c in range(channels // 2) for part in (0, 1)]
    torch.testing.assert_close(module(x[None])[0], torch.stack(expected))


@pytest.mark.parametrize("channels", [1, 7, 15])
def test_an_odd_width_lacks_one_channel_of_the_last_half(channels):
    odd, even = (generic(ShuffleAttention(n, groups=4)) for n in (channels, channels + 1))
    x = rand(2, channels, 3, 5)
    padded = F.pad(x, (0, 0, 0, 0, 0, 1))
    torch.testing.assert_close(odd(x), even(padded)[:, :-1])
