"""Efficient local attention against timm's in the paper's form, and a pixel by the formula."""

import pytest
import torch
from timm.layers.coord_attn import EfficientLocalAttn
from torch import nn

from plugnas.modules.attention.ela import EfficientLocalAttention
from tests.modules.generic import generic, rand, same


def test_base_equals_timm_without_its_activation():
    ours = generic(EfficientLocalAttention(32))
    theirs = EfficientLocalAttn(
        32,
        kernel_size=7,
        act_layer=nn.Identity,
        norm_layer=lambda width, **_: nn.GroupNorm(16, width),
    )
    theirs = theirs.double().eval()
    with torch.no_grad():
        theirs.conv_h.load_state_dict(ours.rows.state_dict())
        theirs.conv_w.load_state_dict(ours.columns.state_dict())
        theirs.norm_h.load_state_dict(ours.row_norm.state_dict())
        theirs.norm_w.load_state_dict(ours.column_norm.state_dict())
    x = rand(2, 32, 9, 5)
    same(ours(x), theirs(x))


def _gate(line, conv, norm):
    """(C, L) -> (C, L): grouped taps, then group norm, then sigmoid, by their definitions."""
    weight = conv.weight.flatten(2)  # (C, C / groups, taps)
    width, mixed, taps = weight.shape
    y = torch.zeros_like(line)
    for c in range(width):
        first = c // (width // conv.groups) * mixed
        for at in range(line.shape[1]):
            for t in range(taps):
                source = at + t - taps // 2
                if 0 <= source < line.shape[1]:
                    y[c, at] += weight[c, :, t] @ line[first : first + mixed, source]
    size = width // norm.num_groups
    for g in range(norm.num_groups):
        part = y[g * size : (g + 1) * size]
        centred = part - part.mean()
        y[g * size : (g + 1) * size] = centred / ((centred**2).mean() + norm.eps) ** 0.5
    return 1 / (1 + (-(y * norm.weight[:, None] + norm.bias[:, None])).exp())


# form -> taps, groups of the convolution and of the norm at 24 channels (8 is 24's divisor there).
FORMS = {"tiny": (5, 24, 24), "base": (7, 24, 12), "small": (5, 3, 12), "large": (7, 3, 12)}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_equals_the_formula(form):
    module = generic(EfficientLocalAttention(24, form=form))
    taps, groups, norm_groups = FORMS[form]
    assert module.rows.kernel_size == (taps, 1)
    assert module.columns.kernel_size == (1, taps)
    assert module.rows.groups == module.columns.groups == groups
    assert module.row_norm.num_groups == norm_groups
    x = rand(24, 6, 4)
    rows = _gate(x.mean(2), module.rows, module.row_norm)
    columns = _gate(x.mean(1), module.columns, module.column_norm)
    same(module(x[None])[0], x * rows[:, :, None] * columns[:, None, :])
