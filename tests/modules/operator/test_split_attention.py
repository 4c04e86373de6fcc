"""Split attention against timm's, weights copied over."""

import torch
from timm.layers import SplitAttn
from torch import nn

from plugnas.modules.operator.split_attention import SplitAttention
from tests.modules.generic import generic, rand, same


@torch.no_grad()
def test_equals_timm():
    cases = [(2, 1, 3, 1, 8, 12), (4, 2, 5, 2, 16, 6), (1, 2, 3, 1, 8, 8), (2, 4, 3, 2, 80, 12)]
    for radix, groups, k, s, cin, cout in cases:
        ours = SplitAttention(cin, cout, radix=radix, groups=groups, kernel_size=k, stride=s)
        ours = generic(ours)
        theirs = SplitAttn(cin, cout, k, s, groups=groups, radix=radix, norm_layer=nn.BatchNorm2d)
        theirs = theirs.double().eval()
        theirs.conv.load_state_dict(ours.features[0].state_dict())
        theirs.bn0.load_state_dict(ours.features[1].state_dict())
        theirs.fc1.weight.copy_(ours.fc1[0].weight)
        theirs.fc1.bias.zero_()
        theirs.bn1.load_state_dict(ours.fc1[1].state_dict())
        theirs.fc2.load_state_dict(ours.fc2.state_dict())
        x = rand(2, cin, 5, 7)
        same(ours(x), theirs(x))


def test_groups_that_do_not_divide():
    m = SplitAttention(3, 14, radix=2, groups=4)
    assert m.groups == 2
    assert m.features[0].groups == 1
    assert SplitAttention(6, 15, radix=2, groups=4).fc2.groups == 3
