"""Fast Fourier convolution against a reference without FFT; its parts and narrow widths."""

import torch
from torch.nn import functional as F

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.operator.ffc import FastFourierConvolution as FFC
from tests.modules import fourier
from tests.modules.generic import (
    batch_norm,
    check_deploy,
    conv_same,
    generic,
    pointwise,
    rand,
    same,
)


def _unit(x, unit):
    spectrum = fourier.forward(x)
    parts = torch.stack([spectrum.real, spectrum.imag], dim=2).flatten(1, 2)
    u = batch_norm(pointwise(parts, unit.mix[0].weight), unit.mix[1]).relu()
    return fourier.inverse(torch.complex(u[:, ::2], u[:, 1::2]), x.shape[3])


def _spectral(x, m, stride):
    height, width = -(-x.shape[2] // stride), -(-x.shape[3] // stride)
    u = x.new_zeros(*x.shape[:2], height, width)
    for i in range(height):
        for j in range(width):
            rows = slice(stride * i, stride * i + stride)
            u[:, :, i, j] = x[:, :, rows, stride * j : stride * j + stride].mean((2, 3))
    u = batch_norm(pointwise(u, m.enter[0].weight), m.enter[1]).relu()
    y = u + _unit(u, m.whole)
    if m.quarters is not None:
        few = u[:, : -(-u.shape[1] // 4)]
        few = F.pad(few, (0, width % 2, 0, height % 2))
        h, w = few.shape[2] // 2, few.shape[3] // 2
        corners = [few[:, :, a : a + h, b : b + w] for b in (0, w) for a in (0, h)]
        tile = _unit(torch.cat(corners, dim=1), m.quarters)
        for i in range(height):
            for j in range(width):
                y[:, :, i, j] += tile[:, :, i % h, j % w]
    return pointwise(y, m.project.weight)


@torch.no_grad()
def test_equals_its_formula():
    for cin, cout, stride, ratio, local, size in (
        (6, 8, 1, 0.5, True, (5, 6)),
        (8, 16, 2, 0.5, True, (7, 8)),
        (5, 6, 1, 0.75, False, (4, 5)),
        (8, 8, 2, 0.25, True, (3, 1)),
    ):
        m = generic(FFC(cin, cout, stride=stride, ratio=ratio, local=local))
        x = rand(2, cin, *size)
        entering, leaving = int(cin * ratio), int(cout * ratio)
        near, far = x[:, : cin - entering], x[:, cin - entering :]
        s = stride
        y = conv_same(near, m.from_local.weight)[:, :, ::s, ::s].clone()
        y[:, : cout - leaving] += conv_same(far, m.to_local.weight)[:, :, ::s, ::s]
        y[:, cout - leaving :] += _spectral(far, m.spectral, s)
        same(m(x), y)


@torch.no_grad()
def test_one_pixel_reaches_every_other_through_the_spectrum():
    m = generic(FFC(16, 16, local=False))
    x = rand(1, 16, 16, 16)
    other = x.clone()
    other[0, 8:, 0, 0] += rand(8)
    change = (m(other) - m(x)).abs().amax((0, 1)) > 1e-12
    assert change.all()
    other = x.clone()
    other[0, 0, 0, 0] += 1.0  # a local channel reaches its neighbours
    assert int(((m(other) - m(x)).abs().amax((0, 1)) > 1e-12).sum()) == 4


@torch.no_grad()
def test_widths_too_narrow_for_two_parts():
    assert FFC(1, 8).to_local is None
    assert FFC(8, 1).spectral is None
    for widths in ((1, 8), (8, 1), (2, 2)):
        m = generic(FFC(*widths, stride=2))
        assert m(rand(2, widths[0], 5, 4)).shape == (2, widths[1], 3, 2)
    entry = modules.get("ffc")
    setting = {"ratio": 0.75, "local": False}
    assert entry.canonical(Site(1, 8, 8, 1, 8), setting) == {"ratio": 0.25, "local": True}
    assert entry.canonical(Site(8, 8, 8, 1, 1), setting) == {"ratio": 0.75, "local": True}
    assert entry.canonical(Site(2, 8, 8, 1, 2), setting) == {"ratio": 0.25, "local": False}
    assert entry.canonical(Site(8, 8, 8, 1, 8), setting) == setting


def test_norms_fold_and_half_precision_runs():
    check_deploy(FFC(4, 8, stride=2), rand(1, 4, 6, 5), FFC)
    m = FFC(4, 8).eval()
    x = rand(1, 4, 6, 6).float()
    with torch.no_grad():
        close = m.bfloat16()(x.bfloat16()).float() - m.float()(x)
    assert close.abs().max() < 0.1


def test_an_empty_batch():
    for setting in ({}, {"stride": 2, "local": False}):
        assert FFC(4, 6, **setting)(torch.zeros(0, 4, 6, 6)).shape[:2] == (0, 6)
