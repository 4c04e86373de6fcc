"""Large kernels against the sum of their branches written out densely; the deploy form."""

import pytest
import torch
from timm.models.fastvit import ReparamLargeKernelConv
from torch.nn import functional as F

from plugnas.modules import RefusedError, fuse
from plugnas.modules.operator.rep_lk import RepLargeKernel
from tests.modules.generic import batch_norm, check_deploy, copy_in_order, generic, rand, same

TABLE = {  # as printed for UniRepLKNet
    7: [(5, 1), (3, 2), (3, 3)],
    13: [(5, 1), (7, 2), (3, 3), (3, 4), (3, 5)],
    17: [(5, 1), (9, 2), (3, 4), (3, 5), (3, 7)],
}


@torch.no_grad()
def test_equals_the_sum_of_dilated_branches():
    for k, small in TABLE.items():
        for s in (1, 2):
            m = generic(RepLargeKernel(3, 3, kernel_size=k, stride=s))
            x = rand(2, 3, 10, 9)
            y = 0.0
            for branch, (size, dilation) in zip(m.filter.branches, [(k, 1), *small], strict=True):
                kernel = torch.zeros(3, 1, k, k, dtype=x.dtype)
                for i in range(size):
                    for j in range(size):
                        row, column = (k // 2 + dilation * (n - size // 2) for n in (i, j))
                        kernel[:, 0, row, column] = branch[0].weight[:, 0, i, j]
                z = F.conv2d(x, kernel, padding=k // 2, groups=3)[:, :, ::s, ::s]
                y = y + batch_norm(z, branch[1])
            same(m(x), y)


@torch.no_grad()
def test_one_small_kernel_beside_a_large_one_equals_timm():
    """RepLKNet's block, as in FastViT."""
    ours = generic(RepLargeKernel(4, 4, kernel_size=31, dilated=False, stride=2))
    theirs = ReparamLargeKernelConv(4, 4, 31, 2, 1, small_kernel=5).double().eval()
    copy_in_order(theirs.large_conv, ours.filter.branches[0])
    copy_in_order(theirs.small_conv, ours.filter.branches[1])
    x = rand(2, 4, 9, 8)
    same(ours(x), theirs(x))


@torch.no_grad()
def test_deploy_form_is_one_depthwise_convolution():
    x = rand(1, 4, 9, 8)
    for setting in ({}, {"dilated": False, "stride": 2}, {"kernel_size": 7}):
        m = RepLargeKernel(4, 4, **setting)
        fused = check_deploy(m, x)
        assert fused.groups == 4
        same(m.fuse()(x), m(x))
    wide = generic(RepLargeKernel(4, 6, stride=2))
    same(fuse(wide)(x), wide(x))
    assert len(fuse(wide)) == 2


def test_kernels_that_the_papers_do_not_have():
    for setting, words in (
        ({"kernel_size": 31}, "must be one of 5, 7"),
        ({"kernel_size": 3, "dilated": False}, "odd and at least 5"),
        ({"kernel_size": 8, "dilated": False}, "odd and at least 5"),
    ):
        with pytest.raises(RefusedError, match=words):
            RepLargeKernel(4, 4, **setting)
