"""Effective squeeze-excitation against timm's, and its gate by hand."""

import math

import pytest
import torch
from timm.layers import EffectiveSEModule

from plugnas.modules import RefusedError
from plugnas.modules.attention.ese import EffectiveSqueezeExcitation
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize("gate", ["hard_sigmoid", "sigmoid"])
def test_equals_timm(gate):
    ours = generic(EffectiveSqueezeExcitation(5, gate=gate))
    theirs = EffectiveSEModule(5, gate_layer=gate).double()
    theirs.fc.load_state_dict(ours.map.state_dict())
    x = 3 * rand(2, 5, 4, 3)
    same(ours(x), theirs(x))


def test_gate_by_hand():
    module = EffectiveSqueezeExcitation(3).double()
    with torch.no_grad():
        module.map.weight.copy_(torch.eye(3)[:, :, None, None])
        module.map.bias.copy_(torch.tensor([0.0, 5.0, -5.0]))
    x = torch.full((1, 3, 2, 2), 1.5, dtype=torch.float64)
    y = module(x)[0, :, 0, 0].tolist()
    assert y == pytest.approx([1.5 * 4.5 / 6, 1.5, 0.0])
    soft = EffectiveSqueezeExcitation(3, gate="sigmoid").double()
    soft.load_state_dict(module.state_dict())
    assert soft(x)[0, 1, 0, 0].item() == pytest.approx(1.5 / (1 + math.exp(-6.5)))


def test_unknown_gate_is_refused():
    with pytest.raises(RefusedError, match="hard_sigmoid"):
        EffectiveSqueezeExcitation(4, gate="hardsigmoid")
