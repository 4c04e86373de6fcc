"""Universal inverted bottleneck against timm's, weights copied over."""

import torch
from timm.models._efficientnet_blocks import UniversalInvertedResidual
from torch.nn import functional as F

from plugnas.modules.operator.uib import UniversalInvertedBottleneck as UIB
from tests.modules.generic import check_deploy, copy_in_order, generic, rand, same


@torch.no_grad()
def test_equals_timm():
    for a, b, e, s, cin, cout in (
        (3, 3, 4, 1, 8, 8),
        (5, 3, 2, 2, 8, 12),
        (0, 5, 4, 2, 8, 8),
        (5, 0, 2, 2, 8, 8),
        (3, 0, 4, 1, 8, 12),
        (0, 0, 4, 1, 8, 8),
    ):
        kernels = {"start_kernel_size": a, "middle_kernel_size": b}
        ours = generic(UIB(cin, cout, stride=s, expansion=e, **kernels))
        theirs = UniversalInvertedResidual(
            cin, cout, a, b, stride=s, exp_ratio=e, layer_scale_init_value=None
        )
        theirs = theirs.double().eval()
        copy_in_order(theirs, ours)
        x = rand(2, cin, 7, 6)
        same(ours(x), theirs(x))


@torch.no_grad()
def test_without_filters_a_stride_averages():
    m = generic(UIB(4, 6, stride=2, start_kernel_size=0, middle_kernel_size=0))
    plain = UIB(4, 6, start_kernel_size=0, middle_kernel_size=0).double().eval()
    copy_in_order(plain, m)
    x = rand(2, 4, 6, 4)
    same(m(x), plain(F.interpolate(x, scale_factor=0.5, mode="area")))
    assert m(x[:, :, :5]).shape == (2, 6, 3, 2)


def test_norms_fold():
    check_deploy(UIB(4, 6, stride=2), rand(1, 4, 6, 7), UIB)
