"""Anti-aliased downsampling against timm's filter, torch's pooling and a loop over pixels."""

import torch
from timm.layers import BlurPool2d as TimmBlur
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.operator.blur_pool import AntiAliased, BlurPool2d
from tests.modules.generic import check_deploy, conv_bn, conv_same, generic, rand, same


@torch.no_grad()
def test_the_filter_equals_timm():
    for m in (3, 5):
        for shape in ((2, 3, 7, 8), (1, 3, 6, 6)):
            x = rand(*shape)
            ours = generic(BlurPool2d(3, filter_size=m))
            same(ours(x), TimmBlur(3, filt_size=m, stride=2).double()(x))


@torch.no_grad()
def test_the_border_is_repeated_where_a_map_has_no_mirror_image():
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
    x = rand(1, 1, 2, 3)
    y = torch.zeros(1, 1, 1, 2, dtype=x.dtype)
    for j in range(2):
        for p in range(5):
            for q in range(5):
                row, column = min(max(p - 2, 0), 1), min(max(2 * j + q - 2, 0), 2)
                y[0, 0, 0, j] += line[p] * line[q] * x[0, 0, row, column]
    same(generic(BlurPool2d(1, filter_size=5))(x), y)


@torch.no_grad()
def test_convolution_norm_relu_then_blur():
    x = rand(2, 4, 7, 6)
    m = generic(AntiAliased(4, 5, stride=2, filter_size=5))
    u = conv_bn(x, m.layers[0]).relu()
    same(m(x), TimmBlur(5, filt_size=5, stride=2).double()(u))
    same(generic(AntiAliased(4, 5))(x), conv_bn(x, generic(AntiAliased(4, 5)).layers[0]).relu())


@torch.no_grad()
def test_maximum_at_full_resolution_then_blur():
    x = rand(2, 4, 7, 6)
    blur = TimmBlur(4, filt_size=3, stride=2).double()
    same(generic(AntiAliased(4, 4, stride=2, form="max"))(x), blur(F.max_pool2d(x, 3, 1, 1)))
    m = generic(AntiAliased(6, 4, stride=2, form="max"))
    u = conv_same(rand(2, 6, 7, 6), m.layers[0].weight)
    same(m(rand(2, 6, 7, 6)), blur(F.max_pool2d(u, 3, 1, 1)))


@torch.no_grad()
def test_shifts_of_one_pixel_change_a_wave_less_than_without_the_filter():
    wave = torch.cos(torch.pi * torch.arange(16.0)).expand(1, 1, 16, 16).double()
    blurred = BlurPool2d(1).double()
    change = (blurred(wave) - blurred(wave.roll(1, 3)))[..., 1:-1].abs().max()
    assert change < 1e-9
    assert (wave[..., ::2] - wave.roll(1, 3)[..., ::2]).abs().max() > 1.9


def test_one_network_at_stride_1_and_folding():
    entry = modules.get("blur_pool")
    setting = {"form": "max", "filter_size": 5}
    assert entry.canonical(Site(8, 8, 8, 1, 8), setting)["filter_size"] == 3
    assert entry.canonical(Site(8, 8, 8, 2, 8), setting)["filter_size"] == 5
    check_deploy(AntiAliased(4, 5, stride=2), rand(1, 4, 6, 6), AntiAliased)
