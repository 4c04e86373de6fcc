"""The global context block against timm's, weights copied over."""

import timm.layers
import torch

from plugnas.modules.attention.global_context import GlobalContext
from tests.modules.generic import generic, rand


def _copy(source, target):
    first, norm, _, last = source
    with torch.no_grad():
        target.fc1.weight.copy_(first.weight[..., None, None])
        target.fc2.weight.copy_(last.weight[..., None, None])
        target.fc1.bias.copy_(first.bias)
        target.fc2.bias.copy_(last.bias)
        target.norm.load_state_dict(norm.state_dict())
        target.norm.eps = norm.eps


def test_equals_timm():
    for reduction, pooling, mode in (
        (2, "attention", "add"),
        (4, "attention", "both"),
        (2, "average", "multiply"),
    ):
        ours = generic(GlobalContext(16, reduction=reduction, pooling=pooling, mode=mode))
        theirs = timm.layers.GlobalContext(
            16,
            use_attn=pooling == "attention",
            fuse_add=mode != "multiply",
            fuse_scale=mode != "add",
            rd_channels=16 // reduction,
        ).double()
        if ours.attention is not None:
            with torch.no_grad():
                theirs.conv_attn.weight.copy_(ours.attention.weight)
        if ours.add is not None:
            _copy(ours.add, theirs.mlp_add)
        if ours.multiply is not None:
            _copy(ours.multiply, theirs.mlp_scale)
        x = rand(2, 16, 3, 5)
        torch.testing.assert_close(ours(x), theirs(x))


def test_starts_as_identity_and_keeps_a_width_of_four():
    ours = GlobalContext(16).double()
    x = rand(2, 16, 3, 5)
    assert torch.equal(ours(x), x)
    assert ours.add[0].out_features == 4
