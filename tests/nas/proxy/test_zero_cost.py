"""Scores of untrained networks against the published definitions, written out."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas.nas.proxy.zero_cost import (
    SCORES,
    ZeroCostError,
    grad_norm,
    jacobian_covariance,
    naswot,
    synflow,
    zero_cost,
)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
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


def test_synflow_of_a_linear_chain_by_hand():
    chain = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        chain[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
        chain[1].weight.copy_(torch.tensor([[-5.0, 6.0]]))
    # |w2| |w1| 1 = 5 * (1 + 2) + 6 * (3 + 4) = 57; every layer carries all of it
    assert synflow(chain, torch.zeros(3, 2)) == pytest.approx(2 * 57)


def test_synflow_equals_the_sum_over_paths_by_finite_differences():
    net = network().eval()
    score = synflow(net, batch()[0])
    absolute = copy.deepcopy(net).double()
    with torch.no_grad():
        for p in absolute.parameters():
            p.abs_()
        ones = torch.ones(1, 3, 9, 9, dtype=torch.float64)
        total = 0.0
        for p in absolute.parameters():
            kept = p.detach().clone()
            flows = []
            for factor in (1 + 1e-6, 1 - 1e-6):  # d/ds of R(s p) at s = 1 is the sum of p dR/dp
                p.copy_(kept * factor)
                flows.append(float(absolute(ones).sum()))
            p.copy_(kept)
            total += (flows[0] - flows[1]) / 2e-6
    assert score == pytest.approx(total, rel=1e-5)


def test_naswot_equals_the_hamming_kernel():
    net, (images, _) = network(), batch()
    codes, kernel = [], np.zeros((8, 8))
    twin = copy.deepcopy(net).train()
    x = images
    for layer in twin:
        if isinstance(layer, nn.ReLU):
            codes.append((x > 0).flatten(1).numpy())
        x = layer(x)
    for code in codes:
        units = code.shape[1]
        for i in range(8):
            for j in range(8):
                kernel[i, j] += units - (code[i] != code[j]).sum()
    assert naswot(net, images) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-6)


def test_naswot_sees_activations_called_as_functions_and_equal_images():
    class Functional(nn.Module):
        def forward(self, x):
            return F.silu(x.flatten(1))

    images = batch()[0]
    assert math.isfinite(naswot(Functional(), images))
    assert naswot(Functional(), images[:1].expand(4, 3, 9, 9)) == -math.inf
    with pytest.raises(ZeroCostError, match="no ReLU-like activation"):
        naswot(nn.Flatten(), images)


def test_jacobian_covariance_by_the_formula():
    net, (images, _) = network(), batch()
    twin = copy.deepcopy(net).train()
    x = images.clone().requires_grad_()
    twin(x).sum().backward()
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(x.grad.flatten(1).double().numpy()))
    expected = -sum(math.log(v + 1e-5) + 1 / (v + 1e-5) for v in eigenvalues)
    assert jacobian_covariance(net, images) == pytest.approx(expected, rel=1e-6)


def test_grad_norm_by_backward():
    net, (images, labels) = network(), batch()
    twin = copy.deepcopy(net).train()
    F.cross_entropy(twin(images), labels).backward()
    expected = sum(m.weight.grad.norm().item() for m in (twin[0], twin[3], twin[7]))
    assert grad_norm(net, images, labels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_leaves_no_trace(name):
    net = network().eval()
    before = copy.deepcopy(net.state_dict())
    assert math.isfinite(zero_cost(name, net, *batch()))
    assert not net.training and all(p.grad is None for p in net.parameters())
    after = net.state_dict()
    assert all(
        torch.equal(before[k], after[k]) and before[k].dtype == after[k].dtype for k in after
    )


def test_an_unknown_score_is_named():
    with pytest.raises(ZeroCostError, match="no zero-cost score `synfow`; did you mean `synflow`"):
        zero_cost("synfow", network(), *batch())
