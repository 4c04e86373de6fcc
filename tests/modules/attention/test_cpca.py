"""Channel prior convolutional attention, channel by channel and tap by tap from the formula."""

from plugnas.modules.attention.cpca import ChannelPriorConvolutionalAttention
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand, same


def test_equals_the_formula():
    module = generic(ChannelPriorConvolutionalAttention(8, reduction=4))
    assert module.squeeze.out_channels == 2
    assert [strip[0].kernel_size[1] for strip in module.strips] == [7, 11, 21]
    x = rand(8, 5, 4)
    logits = 0
    for pooled in (x.sum((1, 2)) / 20, x.flatten(1).max(1).values):
        hidden = pointwise(module.squeeze, pooled)
        logits = logits + pointwise(module.excite, hidden * (hidden > 0))
    z = x / (1 + (-logits).exp())[:, None, None]
    near = conv(module.near, z)
    total = near + sum(conv(column, conv(row, near)) for row, column in module.strips)
    same(module(x[None])[0], z * pointwise(module.mix, total))


def test_the_hidden_width_never_falls_to_zero():
    assert ChannelPriorConvolutionalAttention(3, reduction=16).squeeze.out_channels == 1
