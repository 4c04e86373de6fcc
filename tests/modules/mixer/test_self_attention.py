"""Attention against torch's, weights copied over."""

import torch
from torch import nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.mixer.self_attention import SelfAttention, SimplifiedSelfAttention
from tests.modules.generic import generic, rand


def _as_torch(ours, channels, heads):
    theirs = nn.MultiheadAttention(channels, heads, batch_first=True).double()
    linears = (ours.query, ours.key, ours.value)
    any_bias = rand(channels, seed=7)  # that of the keys: whatever it is, softmax cancels it
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([linear.weight for linear in linears]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, any_bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.project.state_dict())
    return theirs


def test_equals_torch():
    for heads, head_channels in ((2, 6), (3, 4)):
        ours = generic(SelfAttention(12, heads=heads, head_channels=head_channels))
        theirs = _as_torch(ours, 12, heads)
        x = rand(2, 15, 12)
        torch.testing.assert_close(ours(x, size=(3, 5)), theirs(x, x, x)[0])
        k, v = rand(2, 7, 12, seed=2), rand(2, 7, 12, seed=3)
        torch.testing.assert_close(ours(x, k, v), theirs(x, k, v)[0])
        torch.testing.assert_close(ours(x, k), theirs(x, k, k)[0])


def test_heads_wider_than_the_tokens():
    ours = generic(SelfAttention(6, heads=2, head_channels=5, value_channels=3))
    x = rand(1, 4, 6)
    q, k, v = ours.query(x)[0], ours.key(x)[0], ours.value(x)[0]
    joined = []
    for h in range(2):
        logits = q[:, 5 * h : 5 * h + 5] @ k[:, 5 * h : 5 * h + 5].T / 5**0.5
        joined.append(logits.softmax(1) @ v[:, 3 * h : 3 * h + 3])
    expected = torch.cat(joined, 1) @ ours.project.weight.T + ours.project.bias
    torch.testing.assert_close(ours(x)[0], expected)


def test_simplified_equals_torch_with_identity_projections():
    for heads, used in ((3, 3), (8, 6)):
        ours = generic(SimplifiedSelfAttention(12, heads=heads))
        theirs = nn.MultiheadAttention(12, used, batch_first=True).double()
        with torch.no_grad():
            theirs.in_proj_weight.copy_(torch.eye(12).repeat(3, 1))
            theirs.in_proj_bias.zero_()
            theirs.out_proj.load_state_dict(ours.project.state_dict())
        x, k, v = rand(2, 15, 12), rand(2, 7, 12, seed=2), rand(2, 7, 12, seed=3)
        torch.testing.assert_close(ours(x, size=(5, 3)), theirs(x, x, x)[0])
        torch.testing.assert_close(ours(x, k, v), theirs(x, k, v)[0])


def test_dropout_acts_in_training_only():
    x = rand(2, 9, 8)
    for module in (SelfAttention(8, heads=2, dropout=0.5), SimplifiedSelfAttention(8, dropout=0.5)):
        module = module.double()
        assert not torch.equal(module(x), module(x))
        module.eval()
        assert torch.equal(module(x), module(x))


def test_heads_share_the_width_by_default():
    for channels, heads, used in ((16, 8, 2), (12, 8, 1), (4, 8, 1), (64, 4, 16)):
        module = SelfAttention(channels, heads=heads)
        assert module.query.out_features == heads * used
    assert SelfAttention(16, head_channels=64).query.out_features == 512  # the paper's


def test_settings_that_are_one_network():
    entry = modules.get("self_attention")
    site = Site(128, 8, 8)
    assert entry.canonical(site, {"heads": 8, "head_channels": 16})["head_channels"] == 0
    assert entry.canonical(site, {"heads": 8, "head_channels": 64})["head_channels"] == 64


def test_a_mask_keeps_tokens_apart():
    """True where a token may look, as in torch's scaled_dot_product_attention; or added logits."""
    ours = generic(SelfAttention(12, heads=3, head_channels=4))
    theirs = _as_torch(ours, 12, 3)
    x = rand(2, 7, 12)
    mask = torch.ones(7, 7, dtype=torch.bool).tril()
    expected = theirs(x, x, x, attn_mask=~mask)[0]
    torch.testing.assert_close(ours(x, mask=mask), expected)
    added = rand(2, 3, 7, 7, seed=5)
    expected = theirs(x, x, x, attn_mask=added.flatten(0, 1))[0]
    torch.testing.assert_close(ours(x, mask=added), expected)
    plain = generic(SimplifiedSelfAttention(12, heads=3))
    first = plain(x, mask=mask)[:, 0]
    torch.testing.assert_close(first, plain.project(x[:, 0]))  # the first sees itself alone
