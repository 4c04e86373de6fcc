"""ParNet block against the formula; its deploy form gives the same outputs."""

import pytest
import torch

from plugnas import modules
from plugnas.modules.attention.parnet import ParNetBlock
from tests.modules.attention.reference import bn, conv, pointwise
from tests.modules.generic import generic, rand

SETTINGS = [(True, "silu"), (False, "relu"), (False, "silu")]


@pytest.mark.parametrize(("normed_skip", "activation"), SETTINGS)
def test_equals_the_formula(normed_skip, activation):
    module = generic(ParNetBlock(5, normed_skip=normed_skip, activation=activation))
    x = rand(5, 3, 4)
    skip = bn(module.norm, x) if normed_skip else x
    gate = pointwise(module.gate, skip.mean((1, 2))).sigmoid()
    y = bn(module.wide[1], conv(module.wide[0], x))
    y = y + bn(module.point[1], pointwise(module.point[0], x)) + skip * gate[:, None, None]
    expected = y.relu() if activation == "relu" else y * y.sigmoid()
    torch.testing.assert_close(module(x[None])[0], expected)


@pytest.mark.parametrize(("normed_skip", "activation"), SETTINGS)
def test_deploy_form(normed_skip, activation):
    module = generic(ParNetBlock(6, normed_skip=normed_skip, activation=activation))
    x = rand(2, 6, 4, 5)
    kept = module(x)
    for deployed in (modules.fuse(module), module.fuse().eval()):
        torch.testing.assert_close(deployed(x), kept, rtol=1e-9, atol=1e-9)
        dense = [
            layer
            for layer in deployed.modules()
            if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (3, 3)
        ]
        assert len(dense) == 1
        assert not [m for m in deployed.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    torch.testing.assert_close(module(x), kept, rtol=0, atol=0)
