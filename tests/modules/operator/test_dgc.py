"""Dynamic group convolution against the paper's steps, head by head and sample by sample."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.dgc import DynamicGroupConvolution
from tests.modules.generic import generic, rand, same


def _gates(m, x, heads, h):
    hidden = m.squeeze.weight.shape[0] // heads
    channels = x.shape[0]
    w1 = m.squeeze.weight[h * hidden : (h + 1) * hidden, :, 0, 0]
    w2 = m.excite.weight[h * channels : (h + 1) * channels, :, 0, 0]
    b = m.excite.bias[h * channels : (h + 1) * channels]
    return (w2 @ (w1 @ x.mean((1, 2))).clamp(min=0) + b).clamp(min=0)


def _activated(m, x):
    n = m.norm
    z = (x - n.running_mean[:, None, None]) / (n.running_var + n.eps).sqrt()[:, None, None]
    return (z * n.weight[:, None, None] + n.bias[:, None, None]).clamp(min=0)


def _reference(m, x, heads, cout, s, pruned):
    out = torch.zeros(x.shape[0], cout, -(-x.shape[2] // s), -(-x.shape[3] // s), dtype=x.dtype)
    each = cout // heads
    for b, sample in enumerate(_activated(m, x)):
        for h in range(heads):
            gates = _gates(m, sample, heads, h)
            for c in sorted(range(len(gates)), key=lambda c: float(gates[c]))[:pruned]:
                gates[c] = 0.0
            kernels = m.conv.weight[h * each : (h + 1) * each]
            y = F.conv2d((sample * gates[:, None, None])[None], kernels, stride=s, padding=1)[0]
            for o in range(each):
                out[b, o * heads + h] = y[o]  # heads x each, transposed
    return out


@torch.no_grad()
def test_equals_the_formula():
    for channels, heads, keep, s, pruned in ((12, 2, 0.25, 1, 9), (10, 4, 0.5, 2, 5)):
        m = DynamicGroupConvolution(channels, 12, heads=heads, keep_ratio=keep, stride=s)
        m = generic(m)
        x = rand(3, channels, 5, 4)
        same(m(x), _reference(m, x, heads, 12, s, pruned))


@torch.no_grad()
def test_pruning_follows_progress_in_training_only():
    m = generic(DynamicGroupConvolution(16, 8, heads=2))
    assert m.progress == 1.0
    for progress, kept in ((0.0, 16), (1 / 12, 16), (5 / 12, 10), (0.75, 4), (1.0, 4)):
        m.progress = progress
        assert m.train()._kept(16) == kept
        assert m.eval()._kept(16) == 4


@torch.no_grad()
def test_equal_gates_keep_exactly_the_first():
    gates = torch.tensor([[[1.0, 2.0, 1.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0, 5.0]]])
    kept = DynamicGroupConvolution._largest(gates, 3)
    assert kept.tolist() == [[[1.0, 2.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0, 5.0]]]


@torch.no_grad()
def test_gate_loss_is_the_lasso():
    m = generic(DynamicGroupConvolution(6, 8, heads=2))
    x = rand(3, 6, 5, 4)
    samples = _activated(m, x)
    loss = sum(_gates(m, sample, 2, h).mean() / 3 for sample in samples for h in range(2))
    assert float(m.gate_loss(x)) == pytest.approx(float(loss), rel=1e-9)


def test_bottleneck_halves_its_reduction_for_narrow_maps():
    assert DynamicGroupConvolution(64, 8, heads=2).squeeze.out_channels == 2 * (64 // 8)
    assert DynamicGroupConvolution(96, 8, heads=2).squeeze.out_channels == 2 * (96 // 16)
