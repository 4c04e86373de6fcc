"""Wavelet convolution against filters and transposed filters, level by level."""

import torch
from torch.nn import functional as F

from plugnas.modules.operator.wt_conv import WaveletConvolution as WTConv
from plugnas.modules.operator.wt_conv import haar
from tests.modules.generic import generic, pointwise, rand, same

LOW = torch.tensor([1.0, 1.0], dtype=torch.float64) / 2**0.5
HIGH = torch.tensor([1.0, -1.0], dtype=torch.float64) / 2**0.5
FILTERS = torch.stack([torch.outer(a, b) for a in (LOW, HIGH) for b in (LOW, HIGH)])


def _transform(x):
    """(B, C, H, W) -> (B, C, 4, H / 2, W / 2)."""
    channels = x.shape[1]
    y = F.conv2d(x, FILTERS.repeat(channels, 1, 1)[:, None], stride=2, groups=channels)
    return y.unflatten(1, (channels, 4))


def _inverse(bands):
    channels = bands.shape[1]
    filters = FILTERS.repeat(channels, 1, 1)[:, None]
    return F.conv_transpose2d(bands.flatten(1, 2), filters, stride=2, groups=channels)


def _filtered(x, layer):
    conv, scale = layer
    pad = conv.kernel_size[0] // 2
    return scale.weight * F.conv2d(x, conv.weight, padding=pad, groups=x.shape[1])


@torch.no_grad()
def test_equals_the_authors_order_of_work():
    for cin, cout, k, levels, s, size in (
        (3, 3, 5, 1, 1, (6, 8)),
        (3, 4, 3, 3, 1, (7, 5)),
        (2, 2, 5, 2, 2, (9, 6)),
    ):
        m = generic(WTConv(cin, cout, kernel_size=k, levels=levels, stride=s))
        x = rand(2, cin, *size)
        low, shapes, filtered = x, [], []
        for layer in m.bands:
            shapes.append(low.shape[2:])
            low = F.pad(low, (0, low.shape[3] % 2, 0, low.shape[2] % 2))
            bands = _transform(low)
            low = bands[:, :, 0]
            joined = bands.transpose(1, 2).flatten(1, 2)  # ours: band by band
            filtered.append(_filtered(joined, layer).unflatten(1, (4, cin)).transpose(1, 2))
        add = torch.zeros_like(low)
        for shape, bands in zip(reversed(shapes), reversed(filtered), strict=True):
            bands = bands.clone()
            bands[:, :, 0] += add
            add = _inverse(bands)[:, :, : shape[0], : shape[1]]
        base, scale = m.base
        full = F.conv2d(x, base.weight, padding=k // 2, groups=cin) * scale.weight
        y = (full + add)[:, :, ::s, ::s]
        same(m(x), y if cin == cout else pointwise(y, m.project.weight))


@torch.no_grad()
def test_the_transform_is_orthonormal_and_its_own_inverse():
    cells = [rand(2, 3, seed=i) for i in range(4)]
    bands = haar(*cells)
    for cell, back in zip(cells, haar(*bands), strict=True):
        same(back, cell)
    same(sum((b**2).sum() for b in bands), sum((c**2).sum() for c in cells))


@torch.no_grad()
def test_levels_widen_what_a_pixel_sees():
    x = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    x[0, 0, 32, 32] = 1.0
    for levels, reach in ((1, 6), (2, 12), (3, 24)):
        seen = generic(WTConv(1, 1, kernel_size=3, levels=levels))(x)[0, 0].abs() > 1e-12
        assert int(seen.any(0).sum()) == reach


@torch.no_grad()
def test_deploy_form_has_the_factors_in_the_kernels():
    m = generic(WTConv(3, 4, levels=2, stride=2))
    x = rand(1, 3, 7, 6)
    fused = m.fuse()
    same(fused(x), m(x))
    assert sum(p.numel() for p in m.parameters()) - sum(p.numel() for p in fused.parameters()) == 27


def test_starts_as_the_authors_do():
    m = WTConv(3, 3, levels=2)
    assert torch.equal(m.base[1].weight, torch.ones(3, 1, 1))
    assert torch.equal(m.bands[1][1].weight, torch.full((12, 1, 1), 0.1))
