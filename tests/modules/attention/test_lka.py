"""Large kernel attention, both forms, tap by tap from the formula."""

import pytest
import torch

from plugnas.modules.attention.lka import LargeKernelAttention
from plugnas.modules.errors import RefusedError
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand, same

# kernel -> taps of the near and of the far convolution, dilation: the tables of both papers.
TAPS = {7: (3, 3, 2), 11: (3, 5, 2), 21: (5, 7, 3), 35: (5, 11, 3)}


@pytest.mark.parametrize("form", ["lka", "lska"])
@pytest.mark.parametrize("kernel_size", TAPS)
def test_equals_the_formula(kernel_size, form):
    module = generic(LargeKernelAttention(3, form=form, kernel_size=kernel_size))
    near, far, dilation = TAPS[kernel_size]
    square = {"lka": [(near, near), (far, far)]}
    line = {"lska": [(1, near), (near, 1), (1, far), (far, 1)]}
    *depthwise, mix = module.context
    assert [layer.kernel_size for layer in depthwise] == (square | line)[form]
    assert depthwise[-1].dilation == (dilation, dilation)
    x = rand(3, 6, 5)
    context = x
    for layer in depthwise:
        context = conv(layer, context)
    same(module(x[None])[0], x * pointwise(mix, context))


@pytest.mark.parametrize("form", ["lka", "lska"])
def test_the_kernel_spans_what_it_says(form):
    """From one bright pixel the context reaches (k_near - 1) / 2 + d (k_far - 1) / 2 pixels."""
    module = LargeKernelAttention(1, form=form).double()
    with torch.no_grad():
        for layer in module.context:
            layer.weight.fill_(1.0)
            layer.bias.zero_()
    x = torch.zeros(1, 1, 31, 31, dtype=torch.float64)
    x[..., 15, 15] = 1.0
    rows = module.context(x)[0, 0].detach().sum(1).nonzero().flatten()
    assert (int(rows[0]), int(rows[-1])) == (15 - 11, 15 + 11)


def test_an_unknown_form_is_refused():
    with pytest.raises(RefusedError, match="did you mean `lska`"):
        LargeKernelAttention(4, form="lsk")
