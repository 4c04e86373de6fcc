"""Architectures of other spaces, said in the words of this one."""

from __future__ import annotations

import numpy as np
import pytest

from plugnas.nas.samplers.known.preference import Preference
from plugnas.nas.samplers.known.translation import Untranslated, translated
from plugnas.space import SearchSpace


def skeleton(scope="stage", **slots):
    chosen = {"attention": ["none", "se", "eca"], **slots}
    return SearchSpace.from_config(
        {
            "stem": {"width": [8, 16]},
            "stages": [{"width": [8, 16], "depth": [1, 2]}],
            "slots": {n: {"choices": c, "scope": scope} for n, c in chosen.items()},
        },
        (3, 16, 16),
        10,
    )


VALUES = {
    "input": "1x8x8",
    "classes": 4,
    "stem.width": 12,
    "stage1.width": 16,
    "stage1.depth": 1,
    "stage1.attention": "eca",
    "context": "none",
    "pooling": "gap",
}


def test_what_is_the_same_stays_and_what_has_one_choice_is_this_space_s():
    found, exact = translated({**VALUES, "stem.width": 8}, {}, skeleton())
    assert exact
    assert found["input"] == "3x16x16" and found["classes"] == 10
    assert found["stage1.attention"] == "eca" and found["stage1.width"] == 16


@pytest.mark.parametrize(("width", "near"), [(12, 16), (11, 8), (1000, 16), (1, 8), (0, 8)])
def test_numbers_become_the_nearest_by_their_ratio(width, near):
    found, exact = translated({**VALUES, "stem.width": width}, {}, skeleton())
    assert found["stem.width"] == near and not exact


def test_a_module_becomes_one_of_its_family_or_nothing_does():
    values = {**VALUES, "stage1.attention": "srm"}
    families = {"stage1.attention": {"srm": "channel"}}
    assert translated(values, families, skeleton())[0]["stage1.attention"] == "se"
    with pytest.raises(Untranslated, match="`stage1.attention` has no counterpart of `srm`"):
        translated(values, {}, skeleton())


def test_a_stage_s_choice_stands_for_its_blocks_and_the_first_block_for_its_stage():
    found, exact = translated({**VALUES, "stage1.depth": 2}, {}, skeleton("block"))
    assert [found[f"stage1.block{b}.attention"] for b in (1, 2)] == ["eca", "eca"]
    assert not exact
    values = {**found.values, "stem.width": 8, "stage1.block2.attention": "se"}
    assert translated(values, {}, skeleton())[0]["stage1.attention"] == "eca"
    assert translated(values, {}, skeleton("network"))[0]["attention"] == "eca"


def test_what_the_other_did_not_name_is_its_default_or_nothing():
    values = {n: v for n, v in VALUES.items() if n != "stage1.attention"}
    space = skeleton(attention=["none", {"se": {"reduction": [4, 8]}}])
    assert translated(values, {}, space)[0]["stage1.attention"] == "none"
    values["stage1.attention"] = "se"
    assert translated(values, {}, space)[0]["stage1.attention.se.reduction"] == 8


def test_too_little_in_common_is_no_information():
    plain = SearchSpace({"op": ["a", "b"], "kernel": [3, 5], "width": [8, 16]})
    with pytest.raises(Untranslated, match="has no counterpart"):
        translated({"op": "a"}, {}, plain)
    with pytest.raises(Untranslated, match="1 of this space's 3 choices, fewer than half"):
        translated(
            {"op": "a"}, {}, SearchSpace({"op": ["a", "b"], "x": ["none", "u"], "y": ["none", "v"]})
        )


def test_what_a_module_refuses_here_is_left_out():
    space = SearchSpace(
        {"op": ["a", "b"], "kernel": [3, 5]},
        refuses={
            ("op", "kernel"): lambda op, kernel: "too wide" if op == "a" and kernel > 3 else 0
        },
    )
    with pytest.raises(Untranslated, match="refused here: op=a, kernel=5: too wide"):
        translated({"op": "a", "kernel": 5}, {}, space)


def test_a_run_without_training_settings_informs_one_that_searches_them():
    config = {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "se"]}}
    plain = SearchSpace.from_config(config, (1, 8, 8), 10)
    recipe = {"learning_rate": [0.1, 0.2], "resolution": [6, 7]}
    space = SearchSpace.from_config(config, (1, 8, 8), 10, recipe=recipe)
    values = plain.sample(np.random.default_rng(0)).values
    found, exact = translated(values, {}, space)
    assert not exact and found.recipe == {"learning_rate": 0.1} and found["input"] == "1x6x6"
    assert found["stage1.width"] == values["stage1.width"]


def test_a_preference_speaks_of_training_settings():
    config = {"stages": [{"width": [4, 8]}]}
    recipe = {"mirror": [True, False], "learning_rate": [0.1, 0.2]}
    space = SearchSpace.from_config(config, (1, 8, 8), 10, recipe=recipe)
    odds = Preference(space, {"mirror": False, "learning_rate": {0.2: 5}}).odds(1)
    assert [o.tolist() for o in odds.values()] == [[1, 3], [1, 5]]
