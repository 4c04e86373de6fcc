"""Pyramid squeeze attention against the formula, scale by scale."""

import pytest
import torch

from plugnas.modules.attention.psa import PyramidSqueezeAttention
from plugnas.modules.errors import RefusedError
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand


@pytest.mark.parametrize("form", ["paper", "circulating"])
@pytest.mark.parametrize(("channels", "branches", "used"), [(8, 4, 4), (6, 4, 3)])
def test_equals_the_formula(form, channels, branches, used):
    module = PyramidSqueezeAttention(channels, reduction=2, branches=branches, form=form)
    module = generic(module)
    x = rand(channels, 3, 4)
    width = channels // used
    assert [c.kernel_size[0] for c in module.convs] == [3, 5, 7, 9][:used]
    maps, gates = [], []
    for i in range(used):
        source = x if form == "paper" else x[i * width : (i + 1) * width]
        maps.append(conv(module.convs[i], source))
        weight = module.weights[0 if form == "paper" else i]
        hidden = pointwise(weight.squeeze, maps[-1].mean((1, 2))).relu()
        gates.append(pointwise(weight.excite, hidden).sigmoid())
    total = sum(gate.exp() for gate in gates)
    scales = [(gate.exp() / total)[:, None, None] for gate in gates]
    expected = torch.cat([s * f for s, f in zip(scales, maps, strict=True)])
    torch.testing.assert_close(module(x[None])[0], expected)


def test_groups_of_the_paper():
    module = PyramidSqueezeAttention(64)
    assert [c.groups for c in module.convs] == [1, 4, 8, 16]
    assert len(module.weights) == 1


def test_an_odd_width_is_refused():
    with pytest.raises(RefusedError, match="even width"):
        PyramidSqueezeAttention(7)
