"""Wrong words in a job's space: each error names the path and the remedy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from plugnas.modules import PlugnasError
from plugnas.space import SearchSpace
from plugnas.space.config import SpaceConfig, StageConfig

STAGES = [{"width": 8}]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "`stages` is required"),
        ({"stages": []}, "at least one stage"),
        ({"stages": [{"widht": 4}]}, r"stages\[0\]: unknown key `widht`; did you mean `width`"),
        ({"stages": [{"width": "wide"}]}, r"stages\[0\].width: expected"),
        ({"stages": [{"width": []}]}, r"stages\[0\].width"),
        ({"stages": [{"width": 8, "depth": 0}]}, r"stages\[0\].depth"),
        ({"stages": [{"width": [8, 8]}]}, "each once"),
        ({"stages": STAGES, "slots": {"attentoin": ["se"]}}, "did you mean `attention`"),
        ({"stages": STAGES, "slots": {"attention": ["see"]}}, "did you mean `se`"),
        ({"stages": STAGES, "slots": {"attention": []}}, "offers nothing"),
        ({"stages": STAGES, "slots": {"attention": ["relu"]}}, "cannot stand in slot `attention`"),
        ({"stages": STAGES, "slots": {"attention": [{"se": {"reduction": 5}}]}}, "4, 8, 16"),
        ({"stages": STAGES, "slots": {"attention": [{"se": {"reducton": 4}}]}}, "`reduction`"),
        ({"stages": STAGES, "slots": {"attention": [{"se": 4}]}}, "takes `all` or"),
        ({"stages": STAGES, "slots": {"attention": [{"family": "chanel"}]}}, "`channel`"),
        ({"stages": STAGES, "slots": {"attention": [{"se": {}, "eca": {}}]}}, "one module per"),
        ({"stages": STAGES, "context": ["asp"]}, "did you mean `aspp`"),
        ({"stages": STAGES, "stem": {"kernel_size": 4}}, "must be odd"),
        ({"stages": STAGES, "stem": {"stride": 0}}, r"stem.stride must be at least 1, but got 0"),
        ({"stages": [{"width": 8, "stride": 2000}]}, r"stages\[0\].stride must be at most 1024"),
        (SpaceConfig(stages=[StageConfig(8, stride=0)]), "stride must be at least 1, but got 0"),
    ],
)
def test_errors_name_the_place_and_the_remedy(config, text):
    with pytest.raises(PlugnasError, match=text):
        SearchSpace.from_config(config, (3, 8, 8), 2)


def _choices(space, name):
    return next(p.choices for p in space.parameters if p.name == name)


def test_selections():
    slots = {"attention": ["none", {"family": "channel"}, {"exclude": ["se"]}]}
    space = SearchSpace.from_config({"stages": STAGES, "slots": slots}, (3, 8, 8), 2)
    chosen = _choices(space, "stage1.block1.attention")
    assert "none" in chosen
    assert "eca" in chosen
    assert "se" not in chosen


def test_settings_are_pinned_or_opened():
    slots = {"attention": [{"se": {"reduction": [8, 4]}}, {"cbam": {"kernel_size": 3}}]}
    space = SearchSpace.from_config({"stages": STAGES, "slots": slots}, (3, 8, 8), 2)
    assert _choices(space, "stage1.block1.attention.se.reduction") == (8, 4)
    assert _choices(space, "stage1.block1.attention.cbam.kernel_size") == (3,)


def test_a_plain_space_is_a_mapping():
    with pytest.raises(PlugnasError, match="mapping of names to choices"):
        SearchSpace(["layer0"])


def test_a_space_travels_to_another_process():
    space = SearchSpace.from_config({"stages": STAGES, "context": ["aspp", "none"]}, (3, 8, 8), 2)
    again = pickle.loads(pickle.dumps(space))
    assert again.fingerprint == space.fingerprint
    assert again.refusals() == space.refusals()
    assert again.refusal(again.sample(np.random.default_rng(0))) is None


def test_a_module_named_twice_is_offered_with_all_the_settings_named():
    slots = {
        "operator": ["conv", {"conv": {"kernel_size": 5}}],
        "attention": [{"se": {"reduction": 8}}, {"family": "channel"}, {"se": {"reduction": 4}}],
    }
    space = SearchSpace.from_config({"stages": STAGES, "slots": slots}, (3, 8, 8), 2)
    assert set(_choices(space, "stage1.block1.operator.conv.kernel_size")) == {3, 5}
    assert set(_choices(space, "stage1.block1.attention.se.reduction")) == {4, 8, 16}
