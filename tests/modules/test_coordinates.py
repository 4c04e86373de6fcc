"""Under autocast coordinates stay float32: bfloat16 cannot tell pixel 300 from 301."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import adapters

WIDE = Site(8, 4, 300)
# Whoever reads a map at coordinates that it computes, or embeds them.
KEYS = ["acmix", "ak_conv", "border_align", "dcnv3", "deform_conv", "dynamic_snake", "dysample"]
TOLERANCE = (
    0.01  # of the mean absolute value; a place that is off by half a pixel gives 0.3 and more
)


def _module(key: str) -> nn.Module:
    """In whatever slot a map can use it, with weights that move every point."""
    torch.manual_seed(0)
    entry = modules.get(key)
    module = entry.build(WIDE) if key != "border_align" else _boxes(entry)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


def _boxes(entry: modules.Entry) -> nn.Module:
    return adapters.build(entry, "attention", WIDE, entry.defaults)


def _error(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).abs().mean() / b.double().abs().mean())


@pytest.mark.parametrize("key", KEYS)
def test_autocast_reads_the_same_places(key):
    module = _module(key)
    # A map whose neighbouring columns differ: a point that is moved by a pixel reads another value.
    x = torch.randn(2, 8, 4, 300).bfloat16()
    with torch.no_grad():
        expected = module(x.float())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = module(x)
    assert _error(y, expected) < TOLERANCE


@pytest.mark.parametrize("key", KEYS)
def test_half_weights_read_the_same_places(key):
    module = _module(key)
    x = torch.randn(1, 8, 4, 300).bfloat16()
    rounded = copy.deepcopy(module).bfloat16()
    with torch.no_grad():
        expected = copy.deepcopy(rounded).float()(x.float())
        y = rounded(x)
    assert y.dtype == torch.bfloat16
    assert _error(y, expected) < TOLERANCE
