"""MixConv against timm's, and its partitions against the formula."""

import pytest
import torch
from timm.layers import MixedConv2d
from torch.nn import functional as F

from plugnas.modules.operator.mixed_depthwise import MixedDepthwise
from tests.modules.generic import copy_in_order, generic, rand, same


def test_equals_timm():
    for kernels, s in (((3, 5, 7), 1), ((3, 5, 7, 9), 2)):
        ours = generic(MixedDepthwise(11, 11, stride=s, kernel_sizes=kernels))
        theirs = MixedConv2d(11, 11, list(kernels), s, depthwise=True).double().eval()
        copy_in_order(theirs, ours)
        x = rand(2, 11, 7, 6)
        same(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("channels", "kernels", "sizes"),
    [
        (16, (3, 5, 7), [8, 4, 4]),
        (16, (3, 5, 7, 9), [8, 4, 2, 2]),
        (10, (3, 5, 7), [5, 2, 3]),
        (4, (3, 5, 7, 9), [1, 1, 1, 1]),
        (3, (3, 5, 7, 9), [1, 1, 1]),
    ],
)
def test_exponential_partition(channels, kernels, sizes):
    m = MixedDepthwise(channels, channels, kernel_sizes=kernels, partition="exponential")
    assert m.sizes == sizes


def test_every_channel_has_its_own_filter_and_a_projection_follows():
    m = generic(MixedDepthwise(6, 4, partition="exponential", kernel_sizes=(3, 5), stride=2))
    x = rand(2, 6, 5, 7)
    maps = []
    for c in range(6):  # 3 channels with 3 x 3, 3 with 5 x 5
        branch, k = m.branches[c // 3], 3 + 2 * (c // 3)
        weight = branch.weight[c % 3][None]
        maps.append(F.conv2d(x[:, c : c + 1], weight, padding=k // 2, stride=2))
    y = torch.einsum("oi,bixy->boxy", m.project.weight[:, :, 0, 0], torch.cat(maps, dim=1))
    same(m(x), y)
