"""Poly-scale convolution against one dilated convolution per pair of channel parts."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules import RefusedError
from plugnas.modules.operator.psconv import PolyScaleConvolution
from tests.modules.generic import generic, rand, same


def _reference(m, x, parts, dilation, k, s, cout):
    """Block (o, i) with the rate list [d, 1, 2 d, 1] (P = 4) shifted by o."""
    cin = x.shape[1]
    each_in, each_out = -(-cin // parts), -(-cout // parts)
    rates = {2: [dilation, 2 * dilation], 4: [dilation, 1, 2 * dilation, 1]}[parts]
    x = torch.cat([x, x.new_zeros(x.shape[0], parts * each_in - cin, *x.shape[2:])], dim=1)
    outs = []
    for o in range(parts):
        filters = slice(o * each_out, (o + 1) * each_out)
        others, y = 0, 0.0
        for turn in range(parts):
            i = (o + turn) % parts
            if turn == 0:
                kernel = m.same.weight[filters]
            elif turn == parts // 2:
                kernel = m.opposite.weight[filters]
            else:
                kernel = m.others.weight[filters, others * each_in : (others + 1) * each_in]
                others += 1
            d = rates[turn]
            part = x[:, i * each_in : (i + 1) * each_in]
            y = y + F.conv2d(part, kernel, None, s, d * (k // 2), d)
        outs.append(y)
    return torch.cat(outs, dim=1)[:, :cout]


@torch.no_grad()
def test_equals_the_formula():
    cases = [(4, 2, 3, 1, 8, 12), (4, 1, 5, 2, 8, 4), (2, 2, 3, 2, 6, 4), (4, 2, 3, 1, 3, 6)]
    for parts, dilation, k, s, cin, cout in cases:
        m = PolyScaleConvolution(cin, cout, parts=parts, dilation=dilation, kernel_size=k, stride=s)
        m = generic(m)
        x = rand(2, cin, 9, 8)
        same(m(x), _reference(m, x, parts, dilation, k, s, cout))


def test_costs_the_parameters_of_one_convolution():
    for parts in (2, 4):
        m = PolyScaleConvolution(8, 12, parts=parts)
        assert sum(p.numel() for p in m.parameters()) == 8 * 12 * 9


def test_odd_parts_are_refused():
    with pytest.raises(RefusedError, match="even"):
        PolyScaleConvolution(6, 6, parts=3)
