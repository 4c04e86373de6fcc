"""Receptive-field attention convolution against windows one by one, and the unfolded map."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.operator.rfa_conv import ReceptiveFieldAttentionConvolution
from tests.modules.generic import batch_norm, generic, rand, same

CASES = [(3, 1), (3, 2), (5, 2)]


@torch.no_grad()
@pytest.mark.parametrize(("k", "stride"), CASES)
def test_equals_the_unfolded_map_of_the_paper(k, stride):
    """Weighted windows are laid out side by side and read by a k x k convolution of stride k."""
    m = generic(ReceptiveFieldAttentionConvolution(3, 4, kernel_size=k, stride=stride))
    x = rand(2, 3, 7, 6)
    conv, norm, _ = m.spread
    spread = F.conv2d(x, conv.weight, stride=stride, padding=k // 2, groups=3)
    spread = batch_norm(spread, norm).clamp(min=0)
    rows, columns = spread.shape[2:]
    unfolded = torch.zeros(2, 3, rows * k, columns * k, dtype=x.dtype)
    padded = F.pad(x, [k // 2] * 4)
    for c in range(3):
        for i in range(rows):
            for j in range(columns):
                top, left = stride * i, stride * j
                mean = padded[:, c, top : top + k, left : left + k].sum((1, 2)) / k**2
                taps = slice(c * k * k, (c + 1) * k * k)
                share = (mean[:, None] * m.logits.weight[taps, 0, 0, 0]).softmax(1)
                window = (spread[:, taps, i, j] * share).unflatten(1, (k, k))
                unfolded[:, c, i * k : (i + 1) * k, j * k : (j + 1) * k] = window
    kernel = m.project.weight[:, :, 0, 0].unflatten(1, (3, k, k))
    same(m(x), F.conv2d(unfolded, kernel, stride=k))
