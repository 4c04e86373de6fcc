"""ADown against a reference written out window by window, and SCDown, its successor."""

import pytest
import torch

from plugnas import modules
from plugnas.modules import RefusedError, Site
from plugnas.modules.operator.adown import ADown
from plugnas.modules.operator.scdown import SCDown
from tests.modules.generic import (
    batch_norm,
    check_deploy,
    conv_same,
    generic,
    pointwise,
    rand,
    same,
)


def _silu(x):
    return x / (1 + torch.exp(-x))


@torch.no_grad()
def test_adown_equals_its_windows():
    for height, width in ((6, 8), (5, 7), (1, 2)):
        m = generic(ADown(5, 7, stride=2))
        x = rand(2, 5, height, width)
        rows = [*range(height), *[height - 1] * (height % 2)]  # the last one twice
        columns = [*range(width), *[width - 1] * (width % 2)]
        x = x[:, :, rows][..., columns]
        u = (x[..., :-1, :-1] + x[..., 1:, :-1] + x[..., :-1, 1:] + x[..., 1:, 1:]) / 4
        first, second = u[:, :2], u[:, 2:]
        a = conv_same(first, m.filter[0].weight)[:, :, ::2, ::2]
        b = torch.stack(
            [
                torch.stack(
                    [
                        second[:, :, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].amax((2, 3))
                        for j in range(0, u.shape[3], 2)
                    ],
                    dim=2,
                )
                for i in range(0, u.shape[2], 2)
            ],
            dim=2,
        )
        b = pointwise(b, m.mix[0].weight)
        expected = [_silu(batch_norm(z, norm)) for z, norm in ((a, m.filter[1]), (b, m.mix[1]))]
        assert expected[0].shape[1] == 3
        same(m(x[:, :, :height, :width]), torch.cat(expected, dim=1))


@torch.no_grad()
def test_adown_without_stride_takes_no_mean():
    m = generic(ADown(4, 6))
    x = rand(1, 4, 4, 5)
    y = m.filter(x[:, :2]), m.mix(torch.nn.functional.max_pool2d(x[:, 2:], 3, 1, 1))
    same(m(x), torch.cat(y, dim=1))


def test_adown_needs_a_channel_for_each_half():
    entry = modules.get("adown")
    assert entry.refusal(Site(1, 8, 8, 2, 8)) is not None
    assert entry.refusal(Site(2, 8, 8, 2, 2)) is None
    for widths in ((1, 8), (8, 1)):
        with pytest.raises(RefusedError, match="at least 2"):
            ADown(*widths)


@torch.no_grad()
def test_scdown_equals_its_formula():
    for k, s in ((3, 2), (5, 1), (7, 2)):
        m = generic(SCDown(4, 6, stride=s, kernel_size=k))
        x = rand(2, 4, 7, 5)
        u = _silu(batch_norm(pointwise(x, m.channel[0].weight), m.channel[1]))
        dense = torch.diag_embed(m.space[0].weight[:, 0].permute(1, 2, 0)).permute(2, 3, 0, 1)
        same(m(x), batch_norm(conv_same(u, dense)[:, :, ::s, ::s], m.space[1]))


def test_norms_fold():
    check_deploy(ADown(4, 6, stride=2), rand(1, 4, 6, 7), ADown)
    check_deploy(SCDown(4, 6, stride=2), rand(1, 4, 6, 7), SCDown)
