"""HetConv against the paper's kernels, filter by filter; its deploy form."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.het_conv import DeployedHetConvolution, HetConvolution
from tests.modules.generic import check_deploy, generic, rand, same


@torch.no_grad()
def test_equals_the_formula():
    for parts, k, s, cin, cout in ((4, 3, 1, 8, 12), (2, 5, 2, 6, 4), (1, 3, 2, 3, 4)):
        m = generic(HetConvolution(cin, cout, parts=parts, kernel_size=k, stride=s))
        x = rand(2, cin, 5, 7)
        y = torch.zeros(2, cout, -(-5 // s), -(-7 // s), dtype=x.dtype)
        for f in range(cout):
            # kernels of the filters f = r, r + P, ... on the channels c = r, r + P, ...
            row = (f % parts) * (cout // parts) + f // parts
            for c in range(cin):
                plane = x[:, c : c + 1]
                if (c - f) % parts == 0:
                    kernel = m.square.weight[row, c // parts][None, None]
                    y[:, f] += F.conv2d(plane, kernel, stride=s, padding=k // 2)[:, 0]
                else:
                    y[:, f] += m.pointwise.weight[f, c, 0, 0] * plane[:, 0, ::s, ::s]
        same(m(x), y)


@torch.no_grad()
def test_deploy_form_keeps_the_two_kinds_of_kernels_apart():
    """One dense convolution would be up to three times dearer."""
    x = rand(2, 8, 5, 7)
    for parts, k, s in ((4, 3, 2), (2, 5, 1)):
        m = HetConvolution(8, 12, parts=parts, kernel_size=k, stride=s)
        fused = check_deploy(m, x, kind=DeployedHetConvolution)
        assert fused.square.weight.shape == (12, 8 // parts, k, k)
        assert int((fused.pointwise.weight != 0).sum()) == 12 * 8 * (parts - 1) // parts
    check_deploy(HetConvolution(8, 12, parts=1), x)


def test_parts_that_do_not_divide():
    assert HetConvolution(3, 16, parts=8).parts == 1
    assert HetConvolution(12, 18, parts=4).parts == 3
