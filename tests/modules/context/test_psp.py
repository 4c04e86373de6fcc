"""Pyramid pooling against explicit bins."""

import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.context.psp import PSP
from tests.modules.generic import conv_bn, generic, rand


def _bins(x, n):
    """Bin i of n covers floor(i L / n) up to ceil((i + 1) L / n)."""
    height, width = x.shape[2:]
    y = x.new_empty(*x.shape[:2], n, n)
    for i in range(n):
        rows = slice(i * height // n, -(-(i + 1) * height // n))
        for j in range(n):
            columns = slice(j * width // n, -(-(j + 1) * width // n))
            y[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return y


def test_equals_the_formula():
    for bins in ((1, 2, 3, 6), (1, 3)):
        ours = generic(PSP(8, bins=bins))
        x = rand(2, 8, 5, 7)
        maps = [x]
        for n, branch in zip(bins, ours.branches, strict=True):
            coarse = conv_bn(_bins(x, n), branch).clamp(min=0)
            assert coarse.shape[1] == 8 // len(bins)
            maps.append(F.interpolate(coarse, (5, 7), mode="bilinear", align_corners=False))
        expected = conv_bn(torch.cat(maps, 1), ours.project).clamp(min=0)
        torch.testing.assert_close(ours(x), expected)
        torch.testing.assert_close(modules.fuse(ours)(x), expected, rtol=1e-9, atol=1e-9)
