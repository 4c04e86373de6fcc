"""SRU, CRU and SCConv against their formulas, channel by channel."""

import math

import pytest
import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.attention.scconv import CRU, SRU, SCConv
from tests.modules.generic import generic, pointwise, rand


def _sru(ours, x, groups, threshold, form):
    """One sample (C, H, W)."""
    channels = len(x)
    gamma, beta = ours.norm.weight, ours.norm.bias
    first, second = [], []
    for c in range(channels):
        width = channels // groups
        group = x[c // width * width : c // width * width + width]
        deviation = math.sqrt(((group - group.mean()) ** 2).mean() + ours.norm.eps)
        g = gamma[c] * (x[c] - group.mean()) / deviation + beta[c]
        r = 1 / (1 + torch.exp(-g * gamma[c] / sum(abs(v) for v in gamma)))
        one, two = torch.zeros_like(g), torch.zeros_like(g)
        for i in range(g.shape[0]):
            for j in range(g.shape[1]):
                if form == "hard":
                    target = one if r[i, j] >= threshold else two
                    target[i, j] = g[i, j]
                elif r[i, j] > threshold:
                    one[i, j] = x[c, i, j]
                else:
                    one[i, j] = two[i, j] = r[i, j] * x[c, i, j]
        first.append(one)
        second.append(two)
    half = channels // 2
    left = [first[c] + second[half + c] for c in range(half)]
    right = [first[half + c] + second[c] for c in range(half)]
    return torch.stack(left + right)


def _cru(ours, x, rich, form):
    channels = x.shape[1]
    u = pointwise(x[:, :rich], ours.squeeze_rich.weight)
    low = pointwise(x[:, rich:], ours.squeeze_cheap.weight)
    conv = ours.grouped
    y1 = pointwise(u, ours.pointwise_rich.weight)
    groups = conv.groups
    for i in range(groups):  # a grouped convolution is a convolution per group
        outs = slice(i * channels // groups, (i + 1) * channels // groups)
        ins = slice(i * u.shape[1] // groups, (i + 1) * u.shape[1] // groups)
        part = F.conv2d(u[:, ins], conv.weight[outs], conv.bias[outs], padding=conv.padding)
        y1[:, outs] += part
    y2 = torch.cat([pointwise(low, ours.pointwise_cheap.weight), low], 1)
    y = torch.empty_like(x)
    for b in range(len(x)):
        e1, e2 = (torch.exp(t[b].mean((1, 2))) for t in (y1, y2))
        for c in range(channels):
            total = e1.sum() + e2.sum() if form == "joint" else e1[c] + e2[c]
            y[b, c] = e1[c] / total * y1[b, c] + e2[c] / total * y2[b, c]
    return y


def test_sru():
    for groups, used, threshold, form in (
        (2, 2, 0.5, "paper"), (4, 3, 0.55, "paper"), (3, 3, 0.5, "hard"), (6, 6, 0.45, "hard"),
    ):  # fmt: skip
        ours = generic(SRU(6, groups=groups, threshold=threshold, form=form))
        x = rand(2, 6, 3, 4)
        for b in range(2):
            expected = _sru(ours, x[b], used, threshold, form)
            torch.testing.assert_close(ours(x)[b], expected)


def test_sru_defaults_to_equal_shares():
    assert torch.equal(SRU(8).norm.weight, torch.ones(8))


def test_cru():
    for alpha, reduction, groups, kernel_size, form, rich in (
        (0.5, 2, 2, 3, "paper", 4), (0.25, 2, 1, 5, "paper", 2), (0.75, 2, 3, 3, "joint", 6),
    ):  # fmt: skip
        ours = generic(
            CRU(
                8,
                alpha=alpha,
                reduction=reduction,
                groups=groups,
                kernel_size=kernel_size,
                form=form,
            )
        )
        x = rand(2, 8, 3, 4)
        torch.testing.assert_close(ours(x), _cru(ours, x, rich, form))


def test_scconv():
    ours = generic(SCConv(8, alpha=0.25, reduction=2, norm_groups=2, threshold=0.45))
    x = rand(2, 8, 3, 4)
    rebuilt = torch.stack([_sru(ours.spatial, sample, 2, 0.45, "paper") for sample in x])
    torch.testing.assert_close(ours(x), _cru(ours.channel, rebuilt, 2, "paper"))


def test_one_channel_is_refused():
    site = modules.Site(1, 4, 4)
    for key in ("cru", "scconv"):
        assert "at least 2" in modules.get(key).refusal(site)
        with pytest.raises(modules.RefusedError):
            modules.get(key).cls(1)
