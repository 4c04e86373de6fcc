"""ODConv against a loop over samples with one gated kernel each."""

import pytest
import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.operator.od_conv import OmniDimensionalConvolution
from tests.modules.generic import batch_norm, generic, rand, same

CASES = [(3, 1, 4, 1, 1.0), (5, 2, 2, 2, 7.0), (1, 2, 4, 1, 1.0), (3, 2, 1, 4, 3.0)]


def _logits(head, h, temperature):
    return (head.weight @ h + head.bias) / temperature


def _reference(m, x, k, stride, experts, groups, temperature):
    """The paper's product of four attentions, formed on the whole kernel of each sample."""
    out = []
    for sample in x:
        h = m.squeeze[0].weight[:, :, 0, 0] @ sample.mean((1, 2))
        h = batch_norm(h[None, :, None], m.squeeze[1])[0, :, 0].clamp(min=0)
        weight = m.kernels.weight.unflatten(0, (experts, -1))  # (E, Cout, Cin / G, k, k)
        shares = torch.ones(1, dtype=x.dtype)
        if experts > 1:
            shares = _logits(m.shares, h, temperature).softmax(0)
        kernel = sum(share * w for share, w in zip(shares, weight, strict=True))
        if k > 1:
            taps = 1 / (1 + torch.exp(-_logits(m.taps, h, temperature)))
            kernel = kernel * taps.unflatten(0, (k, k))
        filters = 1 / (1 + torch.exp(-_logits(m.filters, h, temperature)))
        kernel = kernel * filters[:, None, None, None]
        inputs = 1 / (1 + torch.exp(-_logits(m.inputs, h, temperature)))
        per_filter = inputs.unflatten(0, (groups, -1)).repeat_interleave(12 // groups, dim=0)
        kernel = kernel * per_filter[:, :, None, None]
        out.append(F.conv2d(sample[None], kernel, None, stride, k // 2, groups=groups))
    return torch.cat(out)


@torch.no_grad()
@pytest.mark.parametrize(("k", "stride", "experts", "groups", "temperature"), CASES)
def test_equals_one_gated_kernel_per_sample(k, stride, experts, groups, temperature, monkeypatch):
    m = OmniDimensionalConvolution(
        8, 12, stride=stride, experts=experts, kernel_size=k, groups=groups,
        temperature=temperature,
    )  # fmt: skip
    m = generic(m)
    x = rand(3, 8, 5, 7)
    y = _reference(m, x, k, stride, experts, groups, temperature)
    same(m(x), y)
    same(m(x[:1]), y[:1])
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    same(m(x), y)  # the form written to ONNX is the same function


def test_the_width_between_is_the_authors():
    for channels, reduction, hidden in ((64, 16, 16), (512, 16, 32), (512, 4, 128)):
        m = OmniDimensionalConvolution(channels, 8, reduction=reduction)
        assert m.squeeze[0].out_channels == hidden
    entry = modules.get("od_conv")
    assert entry.canonical(modules.Site(64, 8, 8), {"reduction": 16})["reduction"] == 4
    assert entry.canonical(modules.Site(128, 8, 8), {"reduction": 16})["reduction"] == 16


def test_adopted_kernels_part_ways_in_training():
    """Equal kernels get different gradients, because the softmax over them is not uniform."""
    torch.manual_seed(0)
    m = OmniDimensionalConvolution(4, 4).train()
    m.adopt(torch.nn.Conv2d(4, 4, 3, padding=1, bias=False))
    first, second, *_ = m.kernels.weight.unflatten(0, (4, 4))
    assert torch.equal(first, second)
    m(torch.randn(2, 4, 5, 5)).square().sum().backward()
    first, second, *_ = m.kernels.weight.grad.unflatten(0, (4, 4))
    assert not torch.allclose(first, second)
    assert m.inputs.weight.grad.abs().max() > 0
