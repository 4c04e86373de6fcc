"""Unit force operated attention against its formula, head by head."""

import torch

from plugnas.modules.mixer.ufo import UFOAttention
from tests.modules.generic import generic, rand


def test_equals_the_formula():
    for heads, d, form in ((2, 3, "paper"), (3, 4, "last_axis")):
        ours = generic(UFOAttention(6, heads=heads, head_channels=d, form=form))
        x = rand(2, 5, 6)
        for b in range(2):
            q, k, v = (x[b] @ ours.qkv.weight.T + ours.qkv.bias).chunk(3, dim=1)
            joined = []
            for h in range(heads):
                own = slice(h * d, h * d + d)
                rows = [ours.gamma[h] * t / (t @ t) ** 0.5 for t in q[:, own]]
                summary = torch.zeros(d, d).double()
                for n in range(5):
                    summary += torch.outer(k[n, own], v[n, own])
                vectors = summary.T if form == "paper" else summary
                normed = torch.stack([ours.gamma[h] * t / (t @ t) ** 0.5 for t in vectors])
                summary = normed.T if form == "paper" else normed
                joined.append(torch.stack([row @ summary for row in rows]))
            expected = torch.cat(joined, 1) @ ours.project.weight.T + ours.project.bias
            torch.testing.assert_close(ours(x, size=(1, 5))[b], expected)


def test_heads_share_the_width_by_default():
    for channels, heads, used in ((16, 8, 2), (12, 8, 1), (4, 8, 1), (64, 4, 16)):
        assert UFOAttention(channels, heads=heads).qkv.out_features == 3 * heads * used
    assert UFOAttention(16, head_channels=64).project.in_features == 512  # the paper's
