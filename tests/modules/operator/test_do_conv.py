"""DO-Conv against the composition of its factors, number by number; its deploy form."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.do_conv import DOConv
from tests.modules.generic import check_deploy, generic, rand, same


@torch.no_grad()
def test_equals_the_formula():
    for k, expansion, s, groups in ((3, 1, 1, 1), (3, 2, 2, 2), (5, 1, 2, 1)):
        m = generic(DOConv(4, 6, kernel_size=k, expansion=expansion, stride=s, groups=groups))
        taps, per_group = k * k, 4 // groups
        kernel = torch.zeros(6, per_group, taps, dtype=torch.float64)
        for o in range(6):
            for i in range(per_group):
                channel = (o // (6 // groups)) * per_group + i  # the one that filter o reads
                for tap in range(taps):
                    d = m.depthwise[channel, tap].clone()
                    d[tap::taps] += 1.0  # the identity, repeated
                    kernel[o, i, tap] = (d * m.weight[o, i]).sum()
        x = rand(2, 4, 5, 7)
        kernel = kernel.reshape(6, per_group, k, k)
        same(m(x), F.conv2d(x, kernel, stride=s, padding=k // 2, groups=groups))


@torch.no_grad()
def test_starts_as_the_convolution_with_its_weight():
    m = DOConv(4, 6).double()
    x = rand(2, 4, 5, 7)
    same(m(x), F.conv2d(x, m.weight.reshape(6, 4, 3, 3), padding=1))


@torch.no_grad()
def test_one_by_one_has_no_second_factor():
    m = generic(DOConv(4, 6, kernel_size=1, stride=2))
    assert [name for name, _ in m.named_parameters()] == ["weight"]
    x = rand(2, 4, 5, 7)
    same(m(x), F.conv2d(x, m.weight[..., None], stride=2))


@torch.no_grad()
def test_deploy_form_is_one_convolution():
    x = rand(2, 4, 5, 7)
    for k, expansion, s, groups in ((3, 1, 1, 1), (3, 2, 2, 2), (5, 2, 1, 1)):
        m = DOConv(4, 6, kernel_size=k, expansion=expansion, stride=s, groups=groups)
        fused = check_deploy(m, x)
        assert sum(p.numel() for p in fused.parameters()) == 6 * 4 // groups * k * k
