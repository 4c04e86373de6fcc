"""What the upsampling modules cost, against their formulas."""

import torch

from plugnas import modules
from plugnas.modules import Site
from plugnas.nas.cost import count

CHANNELS, HEIGHT, WIDTH = 12, 5, 7
PIXELS = HEIGHT * WIDTH


def _count(key, scale, **setting):
    site = Site(CHANNELS, HEIGHT, WIDTH, scale=scale)
    with torch.device("meta"):
        module = modules.get(key).build(site, setting)
        return count(module, torch.zeros(1, CHANNELS, HEIGHT, WIDTH))


def test_interpolation():
    assert (_count("nearest", 2).macs, _count("nearest", 2).elementwise) == (0, 0)
    bilinear = _count("bilinear", 3)
    assert (bilinear.params, bilinear.macs) == (0, 0)
    assert bilinear.elementwise == 8 * CHANNELS * 9 * PIXELS


def test_learned():
    for scale in (2, 3):
        for overlap in (1, 2):
            taps = (overlap * scale) ** 2
            found = _count("transposed", scale, overlap=overlap)
            assert found.macs == PIXELS * taps * CHANNELS**2
            assert found.params == taps * CHANNELS**2 + CHANNELS
        found = _count("pixel_shuffle", scale, kernel_size=3)
        assert found.macs == PIXELS * 9 * scale**2 * CHANNELS**2


def test_carafe():
    k, m, s = 5, 16, 2
    found = _count("carafe", s, kernel_size=k, compressed_channels=m)
    compress, encode = CHANNELS * m, m * (k - 2) ** 2 * s**2 * k**2
    assert found.macs == PIXELS * (compress + encode + s**2 * k**2 * CHANNELS)
    assert found.elementwise == PIXELS * 5 * s**2 * k**2  # the softmax


def test_dysample():
    groups, s = 4, 2
    for style, width in (("lp", CHANNELS), ("pl", CHANNELS // s**2)):
        found = _count("dysample", s, style=style, groups=groups)
        # lp: 2 g s^2 outputs per pixel; pl: 2 g outputs for each of the s^2 pixels
        assert found.macs == PIXELS * 2 * groups * s**2 * width
        reading = found.operators["aten.grid_sampler"].elementwise
        assert reading == 8 * CHANNELS * s**2 * PIXELS  # 4 taps, each multiplied and added
