"""BiSeNet's fusion against a transcription with explicit loops."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.fusion.bisenet_ffm import BiSeNetFusion
from tests.modules.test_fuse import close, scrambled


@pytest.mark.parametrize(("kernel_size", "reduction"), [(1, 4), (3, 1)])
def test_formula(kernel_size, reduction):
    torch.manual_seed(0)
    module = scrambled(BiSeNetFusion(8, kernel_size=kernel_size, reduction=reduction, y_channels=3))
    x = torch.randn(2, 8, 5, 4, dtype=torch.float64)
    y = torch.randn(2, 3, 3, 2, dtype=torch.float64)
    out = module(x, y)
    both = torch.cat([x, F.interpolate(y, size=(5, 4), mode="bilinear")], 1)
    conv, norm = module.project[0], module.project[1]
    first, second = (module.gate[i].weight[:, :, 0, 0] for i in (0, 2))
    assert first.shape == (8 // reduction, 8)
    windows = F.unfold(both, kernel_size, padding=kernel_size // 2)
    for b in range(2):
        f = conv.weight.flatten(1) @ windows[b]
        for c in range(8):
            deviation = (norm.running_var[c] + norm.eps) ** 0.5
            f[c] = (f[c] - norm.running_mean[c]) / deviation * norm.weight[c] + norm.bias[c]
        f = f.clamp(min=0)
        w = 1 / (1 + torch.exp(-second @ (first @ f.mean(1)).clamp(min=0)))
        close(out[b], (f * w[:, None] + f).reshape(8, 5, 4))
