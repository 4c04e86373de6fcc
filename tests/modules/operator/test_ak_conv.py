"""AKConv against taps read point by point."""

import pytest
import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules.operator.ak_conv import AlterableKernelConvolution
from tests.modules.generic import bilinear, generic, rand, same

GRIDS = {
    3: [(0, 0), (0, 1), (1, 0)],
    5: [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)],
    7: [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)],
}


@torch.no_grad()
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (5, 2), (7, 1)])
def test_equals_taps_one_by_one(taps, stride):
    m = generic(AlterableKernelConvolution(2, 3, taps=taps, stride=stride))
    x = rand(2, 2, 4, 5)
    y, offsets = m(x), m.offset(x)
    assert offsets.abs().max() > 2  # far enough to leave the map
    for b in range(2):
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                total = torch.zeros(3, dtype=x.dtype)
                for n, (row, column) in enumerate(GRIDS[taps]):
                    down, right = offsets[b, n, i, j], offsets[b, taps + n, i, j]
                    point = bilinear(
                        x[b], float(stride * i + row + down), float(stride * j + column + right)
                    )
                    total += m.weight[:, :, n] @ point
                same(y[b, :, i, j], total)


@torch.no_grad()
def test_starts_as_a_convolution_that_reaches_down_and_right():
    m = AlterableKernelConvolution(3, 4, taps=4).double()
    x = rand(2, 3, 5, 6)
    kernel = m.weight.unflatten(2, (2, 2))
    same(m(x), F.conv2d(F.pad(x, (0, 1, 0, 1)), kernel))


def test_coordinates_are_no_less_than_single_precision_under_autocast():
    m = AlterableKernelConvolution(1, 1, taps=1)
    with torch.no_grad():
        m.weight.fill_(1.0)
    x = torch.arange(300.0).expand(1, 1, 2, 300) % 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(m(x).float(), x, rtol=0, atol=1e-4)


@torch.no_grad()
def test_adopts_any_convolution_with_no_more_taps():
    x = rand(2, 3, 7, 6)
    for kernel, dilation, taps in (((3, 3), 1, 13), ((1, 5), 1, 5), ((3, 1), 2, 7), ((1, 1), 1, 3)):
        padding = [dilation * (k // 2) for k in kernel]
        conv = torch.nn.Conv2d(3, 4, kernel, 2, padding, dilation, bias=False).double()
        m = AlterableKernelConvolution(3, 4, stride=2, taps=taps).double()
        m.adopt(conv)
        same(m(x), conv(x))
    with pytest.raises(modules.AdoptError, match="take more taps"):
        AlterableKernelConvolution(3, 4, taps=7).adopt(torch.nn.Conv2d(3, 4, 3, 1, 1, bias=False))
