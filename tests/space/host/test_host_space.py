"""The space of a host: groups of sites behind the same interface as a skeleton's."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from plugnas.modules import PlugnasError
from plugnas.space import SearchSpace, SpaceError
from plugnas.space.host import HostBuilder, HostError, HostTrace, placements_of, plugged_keys

SHAPE = (3, 16, 16)
SITES = [
    {
        "after": "layer[1-2]",
        "slot": "attention",
        "choices": ["none", {"se": {"reduction": [4, 8]}}],
    },
    {"after": "layer*.*.bn2", "slot": "attention", "choices": ["none", "eca"], "together": "stage"},
    {"replace": "layer3.*.conv2", "slot": "operator", "choices": ["keep", "do_conv"]},
    {"replace": "*.relu", "slot": "activation", "choices": ["keep", "silu"], "together": "all"},
]


def section(**changes):
    return {"host": {"model": "networks.py:tiny"}, "sites": SITES, **changes}


@pytest.fixture(scope="module")
def space(here):
    return SearchSpace.from_config(section(), SHAPE, 10, base=here)


def test_the_parameters_say_where(space):
    assert [p.name for p in space.parameters[4:]] == [
        "after.layer1.attention", "after.layer1.attention.se.reduction",
        "after.layer2.attention", "after.layer2.attention.se.reduction",
        "after.layer1.0.bn2.attention", "after.layer2.0.bn2.attention",
        "after.layer3.0.bn2.attention", "replace.layer3.*.conv2.operator",
        "replace.*.relu.activation",
    ]  # fmt: skip


def test_size_counts_every_member_once(space):
    rows = np.concatenate(list(space.enumerate(1000)))
    # at layer1, of 4 channels, both reductions leave one channel: one network
    assert len(rows) == len(np.unique(rows, axis=0)) == space.size == 2 * 3 * 2**3 * 2 * 2


def test_it_samples_varies_and_encodes_like_any_space(space):
    rng = np.random.default_rng(0)
    a, b = space.sample(rng), space.sample(rng)
    assert space.architecture(a.values) == a
    assert space.refusal(space.crossover(a, b, rng)) is None
    assert space.encode(space.codes([a, b])).shape == (2, len(space.feature_names))
    assert len(space.neighbours(a)) > 5


def test_every_network_is_the_host_with_its_plugs(space, networks):
    rng = np.random.default_rng(1)
    known = set(networks.tiny().state_dict())
    for _ in range(6):
        architecture = space.sample(rng)
        network = space.build(architecture)
        replaced = {k for k in known if k.startswith("layer3.0.conv2.")}
        assert set(network.state_dict()) - set(plugged_keys(network)) >= known - replaced
        assert network.eval()(torch.randn(2, *SHAPE)).shape == (2, 10)


def test_values_and_sites_alone_say_what_stands_where(space):
    rng = np.random.default_rng(2)
    for _ in range(10):
        architecture = space.sample(rng)
        assert placements_of(architecture.values, space.host.trace) == space.host.placements(
            architecture.values
        )


def test_a_worker_gets_a_builder_that_travels(space):
    builder = space.host.builder()
    assert isinstance(builder, HostBuilder)
    architecture = space.sample(np.random.default_rng(3))
    network = pickle.loads(pickle.dumps(builder))(pickle.loads(pickle.dumps(architecture)))
    assert set(network.state_dict()) == set(space.build(architecture).state_dict())


def test_the_unchanged_host_is_a_member(space, here):
    values = space.host.unchanged()
    assert plugged_keys(space.build(space.architecture(values))) == []
    always = [{"after": "layer1", "slot": "attention", "choices": ["se"]}]
    without = SearchSpace.from_config(section(sites=always), SHAPE, 10, base=here)
    assert without.host.unchanged() is None


def test_a_record_gives_the_space_back_without_the_code(space, tmp_path):
    record = json.loads(json.dumps(space.host.trace.to_dict()))
    trace = HostTrace.from_dict(record)
    again = SearchSpace.from_config(section(), SHAPE, 10, base=tmp_path, trace=trace)
    assert again.fingerprint == space.fingerprint
    architecture = again.sample(np.random.default_rng(0))
    assert [p.key for p in again.parts(architecture)] == [
        p.key for p in space.parts(space.architecture(architecture.values))
    ]
    with pytest.raises(HostError, match="read from the record of a run; building needs the code"):
        again.build(architecture)


def test_refusals_speak_of_the_site(here):
    sites = [
        {"after": "layer*", "slot": "attention", "choices": ["none", "halo"], "together": "all"}
    ]
    space = SearchSpace.from_config(section(sites=sites), (3, 15, 15), 10, base=here)
    assert space.size + len(space.refusals()) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sites": []}, "name at least one site"),
        ({"host": None}, "sites are places of a host"),
        ({"stages": [{"width": 8}]}, "space.stages: belongs to a skeleton"),
        ({"sites": [{"slot": "attention", "choices": "all"}]}, "give either `after` or `replace`"),
        (
            {"sites": [{"after": "layr1", "slot": "attention", "choices": "all"}]},
            r"space.sites\[0\]: no submodule of networks.py:tiny matches `layr1`; near .* `layer1",
        ),
        (
            {"sites": [{"after": "linear", "slot": "attention", "choices": "all"}]},
            "cannot be a site: it returns a tensor of 2 axes",
        ),
        (
            {"sites": [{"after": "layer1", "slot": "activation", "choices": "all"}]},
            "`after` takes attention or context or operator, but got `activation`",
        ),
        (
            {"sites": [{"replace": "layer1.0.bn2", "slot": "operator", "choices": "all"}]},
            "slot `operator` does not fit replace `layer1.0.bn2`: it is BatchNorm2d 4",
        ),
        (
            {"sites": [{"after": "layer1.0.relu", "slot": "attention", "choices": "all"}]},
            "it is called 2 times in one forward",
        ),
        (
            {"sites": [{"after": "layer1", "slot": "attention", "choices": ["keep"]}]},
            "after a site write `none`",
        ),
        (
            {"sites": [{"after": "layer1", "slot": "attention", "choices": ["cbm"]}]},
            r"space.sites\[0\].choices\[0\]: .*did you mean `cbam`",
        ),
        ({"sites": [SITES[0], SITES[0]]}, "`layer1` is given twice for slot `attention`"),
        ({"start": "zero"}, "identity"),
        ({"host": {"model": "networks.py:tiny", "wieghts": "x"}}, "did you mean `weights`"),
        ({"host": {"model": "networks.py:tiny", "weights": "x.pth"}}, "are not there"),
    ],
)
def test_errors_name_the_place_and_the_remedy(changes, words, here):
    with pytest.raises(PlugnasError, match=words):
        SearchSpace.from_config(section(**changes), SHAPE, 10, base=here)


def test_a_skeleton_has_no_host():
    space = SearchSpace.from_config({"stages": [{"width": 4}]}, SHAPE, 10)
    assert space.host is None
    with pytest.raises(SpaceError):
        SearchSpace({"a": ["x", "y"]}).build(None)
