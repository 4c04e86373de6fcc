"""Plain convolutions against torch's own, and against sums over taps and groups."""

import torch
from torch import nn
from torch.nn import functional as F

from plugnas.modules.operator.conv import (
    Convolution,
    DilatedConvolution,
    GroupedConvolution,
    PointwiseConvolution,
)
from tests.modules.generic import check_deploy, generic, rand, same


def test_conv_is_a_sum_over_taps():
    for k, s in ((3, 2), (5, 1), (1, 2)):
        ours = generic(Convolution(3, 4, stride=s, kernel_size=k))
        assert sum(p.numel() for p in ours.parameters()) == 4 * 3 * k * k
        x = rand(2, 3, 6, 7)
        padded = F.pad(x, [k // 2] * 4)
        y = torch.zeros(2, 4, -(-6 // s), -(-7 // s), dtype=x.dtype)
        for row in range(y.shape[2]):
            for column in range(y.shape[3]):
                patch = padded[:, :, row * s : row * s + k, column * s : column * s + k]
                y[:, :, row, column] = torch.einsum("bixy,oixy->bo", patch, ours.conv.weight)
        same(ours(x), y)


def test_dilated_equals_a_kernel_stuffed_with_zeros():
    for k, d, s in ((3, 2, 1), (5, 3, 2), (3, 6, 1)):
        ours = generic(DilatedConvolution(3, 4, stride=s, kernel_size=k, dilation=d))
        stuffed = torch.zeros(4, 3, d * (k - 1) + 1, d * (k - 1) + 1, dtype=torch.float64)
        stuffed[:, :, ::d, ::d] = ours.conv.weight
        x = rand(2, 3, 9, 8)
        same(ours(x), F.conv2d(x, stuffed, stride=s, padding=d * (k - 1) // 2))


def test_groups_do_not_see_each_other_and_the_shuffle_interleaves_them():
    for shuffle in (False, True):
        ours = generic(GroupedConvolution(8, 12, stride=2, groups=4, shuffle=shuffle))
        x = rand(2, 8, 5, 7)
        parts = []
        for g in range(4):
            weight = ours.conv.weight[3 * g : 3 * g + 3]
            parts.append(F.conv2d(x[:, 2 * g : 2 * g + 2], weight, stride=2, padding=1))
        if shuffle:  # channel 4 j + g of the result is filter j of group g
            y = torch.stack([parts[c % 4][:, c // 4] for c in range(12)], dim=1)
        else:
            y = torch.cat(parts, dim=1)
        same(ours(x), y)
    assert GroupedConvolution(12, 18, groups=8).conv.groups == 6
    assert GroupedConvolution(3, 16, groups=8).conv.groups == 1


def test_pointwise_is_a_linear_map_of_one_pixel_or_of_the_mean():
    ours = generic(PointwiseConvolution(4, 6, stride=2, groups=2))
    x = rand(2, 4, 5, 7)
    weight = torch.block_diag(*ours.conv.weight[:, :, 0, 0].split(3))
    same(ours(x), torch.einsum("oi,bixy->boxy", weight, x[:, :, ::2, ::2]))
    pooled = generic(PointwiseConvolution(4, 6, stride=2, pool=True))
    means = torch.zeros(2, 4, 3, 4, dtype=x.dtype)
    for row in range(3):
        for column in range(4):
            cell = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            means[:, :, row, column] = cell.mean((2, 3))
    same(pooled(x), torch.einsum("oi,bixy->boxy", pooled.conv.weight[:, :, 0, 0], means))


def test_deploy_form_is_a_bare_convolution():
    x = rand(2, 4, 5, 7)
    check_deploy(Convolution(4, 6, stride=2), x)
    check_deploy(DilatedConvolution(4, 6), x)
    check_deploy(PointwiseConvolution(4, 6, stride=2), x)
    check_deploy(PointwiseConvolution(4, 6, stride=2, pool=True), x, PointwiseConvolution)
    check_deploy(GroupedConvolution(4, 6, groups=2), x)
    check_deploy(GroupedConvolution(4, 6, groups=2, shuffle=True), x, GroupedConvolution)
    assert isinstance(Convolution(4, 6).fuse(), nn.Conv2d)
