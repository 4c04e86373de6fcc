"""Plugging: keys stay, outputs stay, and the plugged network is an ordinary one."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import nn

import plugnas
from plugnas import modules
from plugnas.modules import PlugnasError, Site
from plugnas.space.host import HostError, Placement, Plug, gates, plugged_keys, trace, why_lost
from plugnas.space.host.plugging import hooked, plug_in
from plugnas.space.options import Choice

SHAPE = (3, 16, 16)
PLUGS = {
    "layer3": "cbam",
    "layer*.*.bn2": ("se", {"reduction": 8}),
    "layer2.0.conv1": "do_conv",
    "*.relu": "silu",
    "conv1": ["simam", "aspp"],
}


def images(count=2, shape=SHAPE):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def host(networks):
    return networks.settled(networks.tiny())


def opened(model, value=0.5):
    """Open every gate, as training would."""
    for gate in gates(model).values():
        gate.data.fill_(value)
    return model


def test_plugging_renames_no_key(host):
    checkpoint = copy.deepcopy(host.state_dict())
    plugged = plugnas.plug(copy.deepcopy(host), PLUGS, input_shape=SHAPE)
    answer = plugged.load_state_dict(checkpoint, strict=False)
    keys = {
        k for k in plugged_keys(plugged) if "num_batches" not in k
    }  # torch lets these be absent
    assert {k for k in answer.missing_keys if "num_batches" not in k} == keys
    assert answer.unexpected_keys == ["layer2.0.conv1.weight"]  # the one that was replaced
    kept = set(checkpoint) - {"layer2.0.conv1.weight"}
    assert set(plugged.state_dict()) == kept | set(plugged_keys(plugged))


def test_a_gate_at_zero_changes_no_output_and_an_open_one_does(host):
    x = images()
    before = host(x)
    plugs = {k: v for k, v in PLUGS.items() if v != "do_conv"}
    plugged = plugnas.plug(copy.deepcopy(host), plugs, input_shape=SHAPE)
    assert torch.equal(plugged(x), before)
    assert not torch.allclose(opened(plugged)(x), before)
    plain = plugnas.plug(copy.deepcopy(host), PLUGS, input_shape=SHAPE, start="plain")
    assert not torch.allclose(plain(x), before) and not gates(plain)


def test_the_formula(host):
    """y = h + g (m(h) - h), per channel, at the site's output."""
    plugged = opened(plugnas.plug(copy.deepcopy(host), {"layer3": "se"}, input_shape=SHAPE))
    (gate,) = gates(plugged).values()
    gate.data.copy_(torch.rand(16, 1, 1))
    x = images()
    seen = {}
    inner = plugged.layer3[0].register_forward_hook(lambda m, i, o: seen.update(h=o))
    y = plugged(x)
    inner.remove()
    h = seen["h"]
    ((_, _, plug),) = hooked(plugged)
    mixed = h + gate * (plug.module(h) - h)
    torch.testing.assert_close(y, host.linear(mixed.mean((2, 3))))


@pytest.mark.parametrize("start", ["identity", "plain"])
def test_everything_trains_through_in_place_operations(host, start):
    plugged = plugnas.plug(host, PLUGS, input_shape=SHAPE, start=start).train()
    opened(plugged)(images(4)).square().sum().backward()
    assert [n for n, p in plugged.named_parameters() if p.grad is None] == []


def test_a_module_that_begins_as_the_identity_is_open_from_the_start(host):
    """Else g = 0 and m(x) = x would leave both without a gradient for ever."""
    x = images()
    before = host(x)
    plugged = plugnas.plug(copy.deepcopy(host), {"layer2": "non_local"}, input_shape=SHAPE)
    assert torch.equal(plugged(x), before)
    assert all(gate.eq(1).all() for gate in gates(plugged).values())
    plugged.train()(x).square().sum().backward()
    assert any(p.grad.abs().sum() > 0 for p in plugged.plugs.parameters())


def test_the_plugged_network_is_an_ordinary_one(host):
    x = images()
    plugged = opened(plugnas.plug(host, PLUGS, input_shape=SHAPE))
    y = plugged(x)
    copied = copy.deepcopy(plugged)
    assert torch.equal(copied(x), y)
    opened(copied, 0.1)
    assert torch.equal(plugged(x), y) and not torch.equal(copied(x), y)
    file = io.BytesIO()
    torch.save(plugged, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(x), y)
    fresh = opened(copy.deepcopy(plugged), 0.0)
    fresh.load_state_dict(plugged.state_dict())
    assert torch.equal(fresh(x), y)
    torch.testing.assert_close(modules.fuse(plugged)(x), y, atol=1e-5, rtol=1e-5)
    exported = torch.export.export(plugged, (x,))
    torch.testing.assert_close(exported.module()(x), y)
    assert torch.equal(plugged.to(memory_format=torch.channels_last)(x).argmax(1), y.argmax(1))


def test_a_plug_behind_a_folded_norm_moves_with_it(networks):
    x = images()
    chain = networks.settled(networks.Chain())
    plugs = {"0.1": "se", "1.0": "eca", "1.2": "cbam"}
    plugged = opened(plugnas.plug(chain, plugs, input_shape=SHAPE))
    fused = modules.fuse(plugged)
    torch.testing.assert_close(fused(x), plugged(x), atol=1e-5, rtol=1e-5)
    assert isinstance(fused[0][1], nn.Identity)  # folded: what reads the norm's output came along
    assert isinstance(fused[1][1], nn.BatchNorm2d)  # a plug stands between convolution and norm


@pytest.mark.parametrize("key", ["do_conv", "ac_block"])
@pytest.mark.parametrize("path", ["layer2.0.conv1", "0.0", "1.0"])
def test_a_replaced_convolution_passes_its_weights_on(key, path, networks):
    name = "Chain" if path[0].isdigit() else "tiny"
    host = networks.settled(getattr(networks, name)()).double()
    x = images().double()
    before = host(x)
    found = trace(host, SHAPE)
    placement = Placement("replace", path, "operator", Choice(key))
    assert why_lost(placement, found.by_path[path]) is None
    plugged = plug_in(host, found, [placement])
    torch.testing.assert_close(plugged(x), before)
    torch.testing.assert_close(modules.fuse(plugged)(x), before)


def test_lost_weights_are_said(networks):
    found = trace(networks.tiny(), SHAPE)
    placement = Placement("replace", "conv1", "operator", Choice("involution"))
    assert "1x1 convolutions only" in why_lost(placement, found.by_path["conv1"])


@pytest.mark.parametrize(
    ("plugs", "words"),
    [
        ({"layer3": "cbm"}, "did you mean `cbam`"),
        ({"layer3": ("se", {"reductoin": 8})}, "has no setting `reductoin`"),
        ({"layr3": "se"}, "no submodule of ResNet20 matches `layr3`; near it are `layer3"),
        ({"linear": "se"}, "`linear` .* cannot be a site: it returns a tensor of 2 axes"),
        ({"layer1.0.relu": "se"}, "cannot stand at `layer1.0.relu`: it is called 2 times"),
        ({"layer3": "gap"}, r"`gap` \(pooling\) cannot stand at `layer3`"),
        ({"conv1": "do_conv", "conv[1]": "ac_block"}, "two modules are given for one place"),
    ],
)
def test_what_cannot_be_plugged_says_why_and_changes_nothing(host, plugs, words):
    keys = list(host.state_dict())
    with pytest.raises(PlugnasError, match=words):
        plugnas.plug(host, plugs, input_shape=SHAPE)
    assert list(host.state_dict()) == keys and not hasattr(host, "plugs")
    with pytest.raises(HostError, match="start must be"):
        plugnas.plug(host, {}, input_shape=SHAPE, start="zero")


def test_more_can_be_plugged_into_a_plugged_network(host):
    x = images()
    before = host(x)
    plugged = plugnas.plug(host, {"layer3": "se"}, input_shape=SHAPE)
    plugged = plugnas.plug(plugged, {"layer2": "eca"}, input_shape=SHAPE)
    assert torch.equal(plugged(x), before) and len(plugged.plugs) == 2


def test_mixed_precision_and_half(host):
    plugged = plugnas.plug(copy.deepcopy(host), {"layer3": "cbam"}, input_shape=SHAPE)
    x = images()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(plugged(x), host(x))
    half = plugnas.plug(copy.deepcopy(host).bfloat16(), {"layer3": "cbam"}, input_shape=SHAPE)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


def test_a_plug_keeps_the_host_s_layout_on_a_map_of_one_pixel():
    """Defect: `halo` gave another, by which the host's next convolution rounded otherwise."""
    h = torch.randn(2, 64, 1, 1)
    for entry in modules.entries("attention"):
        site = Site(64, 1, 1)
        if entry.refusal(site) is None:
            plug = Plug(entry.build(site), torch.zeros(64, 1, 1)).eval()
            with torch.no_grad():
                y = plug(h)
            assert torch.equal(y, h) and y.stride() == h.stride(), entry.key
