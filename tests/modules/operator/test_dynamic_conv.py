"""Dynamic convolution against a loop over samples with one mixed kernel each."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.cond_conv import CondConv
from plugnas.modules.operator.dynamic_conv import DynamicConvolution
from tests.modules.generic import generic, rand, same


def _reference(m, x, k, s, experts, groups, cout, temperature):
    out = []
    for sample in x:
        z = m.squeeze.weight @ sample.mean((1, 2)) + m.squeeze.bias
        z = (m.excite.weight @ z.clamp(min=0) + m.excite.bias) / temperature
        pi = z.exp() / z.exp().sum()
        kernel, bias = 0.0, torch.zeros(cout, dtype=x.dtype)
        for e in range(experts):
            kernel = kernel + pi[e] * m.kernels.weight[e * cout : (e + 1) * cout]
            if m.kernels.bias is not None:
                bias = bias + pi[e] * m.kernels.bias[e]
        out.append(F.conv2d(sample[None], kernel, bias, s, k // 2, groups=groups))
    return torch.cat(out)


CASES = [(3, 1, 4, 1, False, 1.0), (5, 2, 2, 2, True, 7.0), (1, 2, 8, 4, True, 1.0)]


@torch.no_grad()
def test_equals_one_convolution_per_sample(monkeypatch):
    for k, s, experts, groups, bias, temperature in CASES:
        m = DynamicConvolution(
            8, 12, stride=s, experts=experts, kernel_size=k, groups=groups, bias=bias,
            temperature=temperature,
        )  # fmt: skip
        m = generic(m)
        for batch in (1, 3):
            x = rand(batch, 8, 5, 7)
            y = _reference(m, x, k, s, experts, groups, 12, temperature)
            same(m(x), y)
            with monkeypatch.context() as patch:  # the form written to ONNX is the same function
                patch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
                same(m(x), y)


@torch.no_grad()
def test_samples_get_different_kernels_and_heat_evens_them_out():
    m = generic(DynamicConvolution(4, 4, experts=4))
    impulse = torch.zeros(2, 4, 5, 5, dtype=torch.float64)
    impulse[0, 0, 2, 2], impulse[1, 0, 2, 2] = 1.0, 300.0
    y = m(impulse)
    assert not torch.allclose(y[0], y[1] / 300)
    m.temperature = 1e9
    mean = m.kernels.weight.unflatten(0, (4, 4)).mean(0)
    torch.testing.assert_close(m(impulse), F.conv2d(impulse, mean, padding=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cls", [DynamicConvolution, CondConv])
def test_a_batch_of_nothing(cls):
    x = torch.zeros(0, 8, 5, 7, requires_grad=True)
    m = cls(8, 12, stride=2, groups=4, bias=True)
    y = m(x)
    assert y.shape == (0, 12, 3, 4)
    y.sum().backward()
    assert all(not p.grad.any() for p in m.parameters())
