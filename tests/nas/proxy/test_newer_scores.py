"""ZiCo, SWAP and MeCo against the published definitions, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas.nas.proxy.zero_cost import SCORES, zero_cost


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def batch(count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, 9, 9, generator=generator)
    return images, torch.randint(0, 4, (count,), generator=generator)


def test_zico_by_the_formula():
    net, (images, labels) = network(), batch()
    told = []
    for part in (slice(0, 4), slice(4, 8)):
        net.zero_grad()
        F.cross_entropy(net(images[part]), labels[part]).backward()
        told.append([p.grad.abs().numpy().astype(float) for p in net.parameters() if p.dim() > 1])
    expected = 0.0
    for first, second in zip(*told, strict=True):
        mean, deviation = (first + second) / 2, np.abs(first - second) / 2
        varies = deviation > 0
        expected += math.log((mean[varies] / deviation[varies]).sum())
    assert zero_cost("zico", net, images, labels) == pytest.approx(expected, rel=1e-4)


def test_swap_counts_the_patterns_of_units_over_images():
    net, (images, labels) = network(), batch()
    patterns = set()
    first = net[0](images)
    for units in (first, net[2](net[1](first))):
        patterns |= {tuple(p) for p in (units > 0).reshape(8, -1).T.tolist()}
    assert zero_cost("swap", net, images, labels) == len(patterns)
    assert zero_cost("swap", net, images[:1].repeat(8, 1, 1, 1), labels) == 2  # all or none
    assert zero_cost("swap", nn.Sequential(nn.Flatten(), nn.Linear(243, 4)), images, labels) == 0


def test_meco_is_the_least_eigenvalue_of_the_channels_correlations():
    net, (images, labels) = network(), batch()
    first = net[0](images)[0].flatten(1).detach().numpy()
    second = net[2](net[1](net[0](images)))[0].flatten(1).detach().numpy()
    expected = sum(np.linalg.eigvalsh(np.corrcoef(maps))[0] for maps in (first, second))
    assert zero_cost("meco", net, images, labels) == pytest.approx(expected, abs=1e-4)
    with torch.no_grad():
        net[0].weight[1] = net[0].weight[0]  # a channel twice: nothing is left of the first layer
        net[0].bias[1] = net[0].bias[0]
        net[2].weight.zero_()  # constant maps have no correlation
    assert zero_cost("meco", net, images, labels) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["zico", "swap", "meco"])
def test_the_newer_scores_leave_no_trace(name):
    net, (images, labels) = network().eval(), batch()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert SCORES[name](net, images, labels) == SCORES[name](net, images, labels)
    assert not net.training and all(p.grad is None for p in net.parameters())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
