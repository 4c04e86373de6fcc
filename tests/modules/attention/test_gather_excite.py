"""Gather-excite against timm's where that runs (without weights), and against the formula."""

import pytest
from timm.layers import GatherExcite as TimmGatherExcite

from plugnas.modules import RefusedError
from plugnas.modules.attention.gather_excite import GatherExcite
from tests.modules.attention.reference import bn, conv, pointwise
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize("extent", [0, 2, 4, 8])
def test_means_equal_timm(extent):
    x = rand(2, 3, 9, 7)
    ours = GatherExcite(3, form="theta_minus", extent=extent)
    assert not list(ours.parameters())
    same(ours(x), TimmGatherExcite(3, extent=extent, use_mlp=False)(x))


def _mlp(module, z):
    return z if module.mlp is None else pointwise(module.mlp[2], pointwise(module.mlp[0], z).relu())


def _gate(gathered, x):
    """Each pixel reads the place whose share of the map it lies in."""
    rows = [i * gathered.shape[1] // x.shape[1] for i in range(x.shape[1])]
    columns = [j * gathered.shape[2] // x.shape[2] for j in range(x.shape[2])]
    return 1 / (1 + (-gathered[:, rows][:, :, columns]).exp())


@pytest.mark.parametrize("extent", [2, 4, 8])
@pytest.mark.parametrize("form", ["theta", "theta_plus"])
def test_strided_gathering(form, extent):
    module = generic(GatherExcite(6, form=form, extent=extent, reduction=2))
    x = rand(6, 9, 7)
    z = x
    for i, block in enumerate(module.gather):
        z = bn(block[1], conv(block[0], z if i == 0 else z.relu())[:, ::2, ::2])
    assert 2 ** len(module.gather) == extent
    assert z.shape[1:] == (-(-9 // extent), -(-7 // extent))
    same(module(x[None])[0], x * _gate(_mlp(module, z), x))


@pytest.mark.parametrize("form", ["theta", "theta_plus"])
def test_whole_map_is_a_depthwise_convolution_of_its_size(form):
    module = generic(GatherExcite(4, form=form, size=(5, 3), reduction=2))
    x = rand(4, 5, 3)
    z = bn(module.gather.norm, (module.gather.weight * x).sum((1, 2))[:, None, None])
    same(module(x[None])[0], x / (1 + (-_mlp(module, z)).exp()))


def test_whole_map_of_another_size():
    """A constant kernel keeps its sum: it gathers the mean times its number of places."""
    module = generic(GatherExcite(4, form="theta", size=(7, 7)))
    constant = rand(4, 1, 1)
    module.gather.weight.copy_(constant.expand(4, 7, 7))
    x = rand(4, 5, 9)
    z = bn(module.gather.norm, 49 * constant * x.mean((1, 2))[:, None, None])
    same(module(x[None])[0], x / (1 + (-z).exp()))


@pytest.mark.parametrize("extent", [-2, 1, 3, 6])
def test_an_extent_that_is_no_power_of_two_is_refused(extent):
    with pytest.raises(RefusedError, match="power of 2"):
        GatherExcite(4, extent=extent)
