"""GAM against the formula; the grouped form with its shuffle spelled out."""

import pytest
import torch

from plugnas.modules.attention.gam import GlobalAttentionMechanism
from tests.modules.attention.reference import bn, conv, pointwise
from tests.modules.generic import generic, rand


@pytest.mark.parametrize(("kernel_size", "grouped", "groups"), [(3, False, 1), (3, True, 2)])
def test_equals_the_formula(kernel_size, grouped, groups):
    module = GlobalAttentionMechanism(12, reduction=2, kernel_size=kernel_size, grouped=grouped)
    module = generic(module)
    x = rand(12, 3, 4)
    gate = torch.zeros_like(x)
    for i in range(3):
        for j in range(4):
            gate[:, i, j] = pointwise(module.excite, pointwise(module.squeeze, x[:, i, j]).relu())
    gated = x * gate.sigmoid()
    hidden = bn(module.narrow[1], conv(module.narrow[0], gated)).relu()
    assert module.narrow[0].groups == module.widen[0].groups == groups
    per_group = len(hidden) // groups
    shuffled = [hidden[g * per_group + c] for c in range(per_group) for g in range(groups)]
    wide = bn(module.widen[1], conv(module.widen[0], torch.stack(shuffled)))
    torch.testing.assert_close(module(x[None])[0], gated * wide.sigmoid())


def test_kernel_of_seven():
    module = generic(GlobalAttentionMechanism(4))
    assert module.narrow[0].weight.shape == (1, 4, 7, 7)
    x = rand(4, 3, 4)
    gate = pointwise(module.excite, pointwise(module.squeeze, x).relu()).sigmoid()
    hidden = bn(module.narrow[1], conv(module.narrow[0], x * gate)).relu()
    wide = bn(module.widen[1], conv(module.widen[0], hidden))
    torch.testing.assert_close(module(x[None])[0], x * gate * wide.sigmoid())
