"""Settings that a declaration calls the same compute the same, and the others do not."""

import itertools

import pytest
import torch

from plugnas import modules
from plugnas.modules import Site

SITES = [Site(8, 1, 1), Site(8, 3, 4), Site(12, 4, 4), Site(10, 6, 7), Site(8, 9, 8)]
KEYS = [
    "bot_attention", "gather_excite", "mobile_vit", "mobile_vit_v2", "outlook", "pool_mixer", "sge",
    "window_attention",
]  # fmt: skip


def _built(entry, setting, site):
    """The shapes of the weights, and the output under weights that depend on nothing else."""
    module = entry.build(site, setting).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        x = torch.randn(1, site.channels, site.height, site.width, generator=generator).double()
        return [p.shape for p in module.parameters()], module(x)


@pytest.mark.parametrize("site", SITES, ids=str)
@pytest.mark.parametrize("key", KEYS)
def test_same_is_what_computes_the_same(key, site):
    entry = modules.get(key)
    settings = list(entry.settings())
    built = [_built(entry, setting, site) for setting in settings]
    for (one, a), (other, b) in itertools.combinations(zip(settings, built, strict=True), 2):
        equal = a[0] == b[0] and torch.allclose(a[1], b[1], rtol=1e-9, atol=1e-9)
        assert equal == (entry.canonical(site, one) == entry.canonical(site, other)), (one, other)
