"""Area attention query by query from the formula, areas that divide the map and that do not."""

import pytest
import torch

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.attention.area_attention import AreaAttention
from tests.modules.attention.reference import bn, conv, pointwise
from tests.modules.generic import generic, rand, same


def _reference(module, x, areas, heads):
    q, k, v = (
        bn(norm, pointwise(layer, x)) for layer, norm in (module.query, module.key, module.value)
    )
    q, k, values = (t.flatten(1) for t in (q, k, v))
    channels, pixels = q.shape
    d, length = channels // heads, -(-pixels // areas)
    y = torch.zeros_like(q)
    for p in range(pixels):
        run = range(p // length * length, min(pixels, (p // length + 1) * length))
        for h in range(heads):
            part = slice(h * d, (h + 1) * d)
            weights = torch.stack([(q[part, p] @ k[part, o] / d**0.5).exp() for o in run])
            for o, weight in zip(run, weights / weights.sum(), strict=True):
                y[part, p] += weight * values[part, o]
    layer, norm = module.position
    y = y.view_as(x) + bn(norm, conv(layer, v))
    return bn(module.out[1], pointwise(module.out[0], y))


@pytest.mark.parametrize(("areas", "height", "width"), [(1, 4, 5), (4, 4, 5), (4, 3, 5), (4, 1, 2)])
def test_equals_the_formula(areas, height, width):
    module = generic(AreaAttention(8, areas=areas, head_channels=4))
    assert module.heads == 2
    assert module.position[0].kernel_size == (7, 7)
    x = rand(8, height, width)
    same(module(x[None])[0], _reference(module, x, areas, 2))


def test_bands_of_rows_do_not_see_each_other():
    """Without the positional convolution a change in one band stays there."""
    module = generic(AreaAttention(8, areas=4, head_channels=4))
    module.position[0].weight.zero_()
    x = rand(1, 8, 8, 3)
    other = x.clone()
    other[:, :, 2:4] += 1.0
    changed = (module(other) - module(x)).abs().amax((0, 1, 3)) > 1e-9
    assert changed.tolist() == [False, False, True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("channels", "head_channels", "heads"), [(64, 32, 2), (16, 32, 1), (10, 4, 2)]
)
def test_heads_from_their_width(channels, head_channels, heads):
    assert AreaAttention(channels, head_channels=head_channels).heads == heads


def test_settings_that_are_one_network():
    entry = modules.get("AAttn")
    narrow = entry.canonical(Site(16, 8, 8), {"head_channels": 64, "areas": 4})
    assert narrow == {"head_channels": 16, "areas": 4}
    lone = entry.canonical(Site(64, 1, 1), {"head_channels": 64, "areas": 4})
    assert lone == {"head_channels": 16, "areas": 1}
