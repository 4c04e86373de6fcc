"""The gated temporal convolution tap by tap, and the paper's shrinking form inside it."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.sequence.dilated_inception import DilatedInception, GatedTemporalConv
from tests.modules.generic import generic, rand, same

SETTINGS = [((2, 3, 6, 7), 1), ((2, 3, 5, 7), 2), ((3, 5, 7), 4)]


def inception(m, x, kernel_sizes, dilation):
    outputs = []
    for k, branch in zip(kernel_sizes, m.branches, strict=True):
        y = torch.zeros(x.shape[0], branch.out_channels, x.shape[2], dtype=x.dtype)
        for t in range(x.shape[2]):
            y[:, :, t] = branch.bias
            for tap in range(k):
                past = t - (k - 1 - tap) * dilation
                if past >= 0:
                    y[:, :, t] += x[:, :, past] @ branch.weight[:, :, tap].T
        outputs.append(y)
    return torch.cat(outputs, 1)


@pytest.mark.parametrize(("kernel_sizes", "dilation"), SETTINGS)
def test_formula(kernel_sizes, dilation):
    m = generic(GatedTemporalConv(9, kernel_sizes=kernel_sizes, dilation=dilation))
    x = rand(2, 9, 11)
    with torch.no_grad():
        f = inception(m.content, x, kernel_sizes, dilation)
        g = inception(m.gate, x, kernel_sizes, dilation)
        same(m(x), torch.tanh(f) / (1 + torch.exp(-g)))


@pytest.mark.parametrize(("kernel_sizes", "dilation"), SETTINGS)
def test_last_steps_are_those_of_the_unpadded_form(kernel_sizes, dilation):
    m = generic(DilatedInception(4, 8, kernel_sizes=kernel_sizes, dilation=dilation))
    x = rand(2, 4, 30)
    short = 30 - (max(kernel_sizes) - 1) * dilation
    plain = [F.conv1d(x, b.weight, b.bias, dilation=dilation) for b in m.branches]
    same(m(x)[..., -short:], torch.cat([y[..., -short:] for y in plain], 1))


def test_shares():
    assert [b.out_channels for b in DilatedInception(4, 11).branches] == [5, 2, 2, 2]
    assert DilatedInception(4, 2)(torch.randn(1, 4, 3)).shape == (1, 2, 3)
