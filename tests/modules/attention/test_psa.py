"""Pyramid squeeze attention against the formula, scale by scale."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas.modules.attention.psa import PyramidSqueezeAttention
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


@pytest.mark.parametrize("form", ["paper", "circulating"])
@pytest.mark.parametrize(
    ("channels", "used", "width"), [(7, 4, 2), (5, 3, 2), (3, 3, 1), (1, 1, 1)]
)
def test_a_width_without_equal_parts_is_padded_and_cut(form, channels, used, width):
    """The module on used * width channels, the missing ones 0 in what it reads and writes."""
    module = generic(PyramidSqueezeAttention(channels, form=form))
    assert [c.out_channels for c in module.convs] == [width] * used
    x = rand(1, channels, 3, 4)
    y = module(x)
    assert y.shape == x.shape
    whole = PyramidSqueezeAttention(used * width, branches=used, form=form)
    if form == "paper":  # on an odd width no convolution has groups
        whole.convs = nn.ModuleList(
            nn.Conv2d(used * width, width, 3 + 2 * i, padding=1 + i, bias=False)
            for i in range(used)
        )
    whole = generic(whole)
    state = whole.state_dict()
    for name, value in module.state_dict().items():
        state[name].zero_()
        state[name][tuple(slice(n) for n in value.shape)] = value
    padded = F.pad(x, (0, 0, 0, 0, 0, used * width - channels))
    torch.testing.assert_close(whole(padded)[:, :channels], y)
