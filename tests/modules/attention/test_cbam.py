"""CBAM against timm's, weights copied over, its extra batch norm set to the identity."""

import pytest
import torch
from timm.layers.cbam import CbamModule

from plugnas.modules.attention.cbam import CBAM


@pytest.mark.parametrize(("reduction", "kernel_size"), [(4, 3), (8, 7)])
def test_equals_timm(reduction, kernel_size):
    ours = CBAM(16, reduction=reduction, kernel_size=kernel_size).double()
    theirs = CbamModule(16, rd_channels=16 // reduction, spatial_kernel_size=kernel_size)
    theirs = theirs.double().eval()
    norm = theirs.spatial.conv.bn
    norm.eps = 1e-30  # statistics 0 and 1, affine 1 and 0: the identity
    with torch.no_grad():
        theirs.channel.fc1.weight.copy_(ours.squeeze.weight)
        theirs.channel.fc2.weight.copy_(ours.excite.weight)
        theirs.spatial.conv.conv.weight.copy_(ours.spatial.weight)
    x = torch.randn(2, 16, 5, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))
