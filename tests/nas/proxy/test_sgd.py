"""Our fused steps against torch's optimiser."""

import copy
import subprocess
import sys

import pytest
import torch

from plugnas.nas.proxy.sgd import FusedSGD


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_equals_torch(network, momentum):
    ours, theirs = network(), None
    theirs = copy.deepcopy(ours)
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in theirs.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    reference = torch.optim.SGD(groups, lr=0.1, momentum=momentum, nesterov=momentum > 0)
    mine = FusedSGD(list(ours.parameters()), momentum, 0.01)
    for rate in (0.1, 0.05, 0.2, 0.01):
        x = torch.randn(8, 1, 8, 8)
        for model in (ours, theirs):
            model(x).square().mean().backward()
        for group in reference.param_groups:
            group["lr"] = rate
        mine.step(rate)
        reference.step()
        mine.zero_grad()
        reference.zero_grad()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b)


def test_a_parameter_without_gradient_stays(network):
    model = network()
    before = copy.deepcopy(list(model.parameters()))
    mine = FusedSGD(list(model.parameters()), 0.9, 0.01)
    mine.step(0.1)
    model[0].weight.grad = torch.ones_like(model[0].weight)
    mine.step(0.1)
    moved = [not torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True)]
    assert moved == [True] + [False] * (len(before) - 1)


def test_a_training_does_not_load_the_compiler():
    code = (
        "import sys, torch; from plugnas.nas.proxy.sgd import FusedSGD\n"
        "p = torch.nn.Parameter(torch.ones(2, 2)); p.grad = torch.ones(2, 2)\n"
        "FusedSGD([p], 0.9, 0.1).step(0.1); assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
