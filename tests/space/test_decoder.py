"""Networks for dense tasks: the decoder's levels, their conditions, sizes and costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from plugnas import modules
from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.counter import count
from plugnas.space import ConfigError, SearchSpace, SpaceError, parts_of

ENCODER = {
    "stem": {"width": 8},
    "stages": [
        {"width": 8},
        {"width": [8, 16], "stride": 2, "depth": [1, 2]},
        {"width": 12, "stride": 2},
    ],
}


def _space(decoder, shape=(3, 19, 26), head="dense", **further):
    config = {**ENCODER, "decoder": decoder, **further}
    return SearchSpace.from_config(config, shape, 5, head=head)


@pytest.fixture(scope="module")
def space():
    return _space(
        {
            "levels": [1, 2],
            "width": [8, 10],
            "upsampling": ["bilinear", {"carafe": {"kernel_size": "all"}}],
            "fusion": {"choices": ["add", "concat"], "scope": "decoder"},
            "attention": ["none", {"se": {"reduction": [4, 16]}}],
        },
        context=["none", "psp"],
    )


def _drawn(space, count, seed=0):
    return space.architectures(space.sample_codes(count, np.random.default_rng(seed)))


def test_the_count_is_that_of_the_networks(space):
    codes = np.concatenate(list(space.enumerate()))
    assert space.size == len(codes) == len(np.unique(codes, axis=0))


def test_a_level_exists_only_under_its_number_of_levels(space):
    for architecture in _drawn(space, 20):
        there = any(name.startswith("decoder.level2") for name in architecture.values)
        assert there == (architecture["decoder.levels"] == 2)
        positions = [part.position for part in space.parts(architecture)]
        assert ("decoder.level2" in positions) == there
        assert space.parts(architecture) == parts_of(architecture.values)


@pytest.mark.parametrize("shape", [(3, 19, 26), (1, 16, 16), (3, 5, 7)])
def test_logits_have_the_size_of_the_image_whatever_the_strides(shape):
    space = _space({"levels": [1, 2], "width": 8}, shape)
    for architecture in _drawn(space, 3):
        network = space.build(architecture)
        assert network(torch.randn(2, *shape)).shape == (2, 5, *shape[1:])
        larger = torch.randn(1, shape[0], shape[1] + 3, shape[2] + 8)
        assert network.eval()(larger).shape == (1, 5, *larger.shape[2:])


def test_each_level_takes_in_the_last_map_of_its_size():
    space = _space({"width": 8})
    (architecture,) = _drawn(space, 1)
    network, seen = space.build(architecture), {}
    for name in ("stage1", "stage2"):
        network.get_submodule(name).register_forward_hook(
            lambda m, a, out, name=name: seen.update({name: out})
        )
    for name, level in network.get_submodule("decoder").named_children():
        level.register_forward_pre_hook(lambda m, a, name=name: seen.update({name: a[1]}))
    network(torch.randn(2, 3, 19, 26))
    assert seen["level1"] is seen["stage2"] and seen["level2"] is seen["stage1"]


def test_without_a_decoder_the_last_map_is_answered_from():
    space = SearchSpace.from_config(ENCODER, (3, 19, 26), 5, head="dense")
    (architecture,) = _drawn(space, 1)
    assert "pooling" not in architecture.values and "decoder.width" not in architecture.values
    assert space.build(architecture)(torch.randn(2, 3, 19, 26)).shape == (2, 5, 19, 26)


def test_costs_are_those_of_the_built_network(space):
    model = NetworkCost(space)
    for architecture in _drawn(space, 8):
        with torch.device("meta"):
            network = modules.fuse(space.build(architecture).eval())
            whole = count(network, torch.zeros(1, 3, 19, 26))
        costs = model.cost(architecture)
        for name in ("params", "macs", "elementwise"):
            assert costs[name] == getattr(whole, name), name
        assert costs["params"] == sum(p.numel() for p in network.parameters())


def test_memory_counts_the_maps_that_wait_for_the_decoder():
    """By hand: 8 channels of 16 x 16 and of 8 x 8 wait while the last stage runs."""
    space = _space({"width": 8}, (3, 16, 16))
    architecture = space.architecture(
        {p.name: p.choices[0] for p in space.parameters if p.parent is None}
    )
    beside = {part.position: part.beside for part in space.parts(architecture)}
    large, small = 8 * 16 * 16, 8 * 8 * 8
    assert beside == {
        "stem": 0,
        "stage1.block1": 0,
        "stage2.block1": 0,  # its own input is the map that waits
        "stage3.block1": large,
        "context": large + small,
        "decoder.level1": large,
        "decoder.level2": 0,
        "head": 0,
    }
    waits = next(p for p in space.parts(architecture) if p.position == "stage3.block1")
    free = type(waits)(waits.position, waits.spec, waits.input_shape)
    table = NetworkCost(space).table
    assert table.counts(waits).memory == table.counts(free).memory + 4 * large


def test_fused_networks_compute_the_same(space):
    for architecture in _drawn(space, 3):
        network = space.build(architecture).eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
        x = torch.randn(1, 3, 19, 26)
        torch.testing.assert_close(modules.fuse(network)(x), network(x), atol=1e-4, rtol=1e-3)


def test_what_a_decoder_cannot_be_is_told():
    with pytest.raises(SpaceError, match="this task needs one for each image"):
        _space({"width": 8}, head="pooled")
    with pytest.raises(SpaceError, match="this task needs one for each pixel"):
        _space({"width": 8}, pooling="spp")
    with pytest.raises(SpaceError, match=r"decoder\.levels: numbers from 1 to 2"):
        _space({"levels": [1, 3]})
    with pytest.raises(SpaceError, match="no stage makes it smaller"):
        _space({}, stages=[{"width": 8}])
    with pytest.raises(SpaceError, match=r"decoder\.fusion\[0\].*cannot stand in slot `fusion`"):
        _space({"fusion": ["se"]})
    with pytest.raises(ConfigError, match="widht"):
        _space({"widht": 8})


def _every_slot(count):
    """Draw networks with `all` in every slot and train each for a step."""
    every = {"operator": "all", "attention": "all", "fusion": "all", "activation": "all"}
    config = {
        "stem": {"width": 8, "stride": 1},
        "stages": [{"width": 8}, {"width": 16, "stride": 2}, {"width": 16, "stride": 2}],
        "slots": every,
        "context": "all",
        "decoder": {"levels": [1, 2], "width": [8, 16], "upsampling": "all", **every},
    }
    space = SearchSpace.from_config(config, (3, 13, 18), 4, head="dense")
    torch.manual_seed(0)
    labels = torch.randint(0, 4, (2, 13, 18))
    for architecture in _drawn(space, count):
        network = space.build(architecture)
        outputs = network(torch.randn(2, 3, 13, 18))
        assert outputs.shape == (2, 4, 13, 18), architecture.values
        nn.functional.cross_entropy(outputs, labels).backward()
        first = next(network.parameters()).grad
        assert first is not None and torch.isfinite(first).all(), architecture.values


def test_networks_with_every_module_in_every_slot_train():
    _every_slot(6)


@pytest.mark.slow
def test_a_hundred_networks_with_every_module_in_every_slot_train():
    _every_slot(100)


def test_a_slot_of_the_decoder_is_told_apart_from_the_encoder_s(space):
    slots = {p.name: p.slot for p in space.parameters}
    assert slots["decoder.level1.attention"] == "decoder.attention"
    assert slots["decoder.level1.attention.se.reduction"] == "decoder.attention"
    assert slots["decoder.fusion"] == "decoder.fusion"
    assert slots["stage1.block1.attention"] == "attention"
