"""Focal modulation against timm's."""

import pytest
import torch
from timm.models.focalnet import FocalModulation as TimmFocalModulation

from plugnas.modules.attention.focal_modulation import FocalModulation
from tests.modules.generic import copy_in_order, generic, rand, same


@pytest.mark.parametrize(("levels", "window"), [(2, 3), (3, 3), (4, 5)])
def test_equals_timm(levels, window):
    ours = FocalModulation(6, levels=levels, window=window)
    theirs = generic(TimmFocalModulation(6, focal_window=window, focal_level=levels))
    ours = ours.double().requires_grad_(False)
    with torch.no_grad():
        copy_in_order(ours, theirs)
    x = rand(2, 6, 7, 5)
    same(ours(x), theirs(x))
