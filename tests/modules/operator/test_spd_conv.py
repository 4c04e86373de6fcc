"""SPD-Conv against slices joined by hand, and the cost it saves nothing of."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.spd_conv import SPDConv
from tests.modules.generic import conv_same, generic, rand, same


@torch.no_grad()
def test_equals_the_authors_slices_up_to_their_order():
    for k, s, height, width in ((3, 2, 6, 8), (1, 2, 5, 7), (3, 3, 7, 6)):
        m = generic(SPDConv(3, 5, stride=s, kernel_size=k))
        x = rand(2, 3, height, width)
        padded = F.pad(x, (0, -width % s, 0, -height % s))
        places = [(p, q) for q in range(s) for p in range(s)]  # the authors': column by column
        u = torch.cat([padded[..., p::s, q::s] for p, q in places], dim=1)
        order = [c * s * s + s * p + q for p, q in places for c in range(3)]
        same(m(x), conv_same(u, m.conv.weight[:, order]))


@torch.no_grad()
def test_no_pixel_is_lost():
    m = SPDConv(1, 4, stride=2, kernel_size=1).double()
    m.conv.weight.copy_(torch.eye(4)[:, :, None, None])
    x = rand(1, 1, 4, 4)
    assert sorted(m(x).flatten().tolist()) == sorted(x.flatten().tolist())


def test_an_empty_batch():
    assert SPDConv(3, 5, stride=2)(torch.zeros(0, 3, 5, 6)).shape == (0, 5, 3, 3)
