"""Training settings as parameters of a space: their texts, sizes of images, costs, refusals."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from plugnas import modules
from plugnas.modules import _registry
from plugnas.nas.cost import NetworkCost
from plugnas.space import Architecture, SearchSpace, SpaceError
from plugnas.space.training import chosen_of, read, recipe_at, text_of, token

SPACE = {
    "stem": {"width": [4, 8]},
    "stages": [{"width": [8, 12], "stride": 2}],
    "slots": {"operator": ["conv", {"involution": {"kernel_size": "all"}}]},
    "context": ["none", "aspp"],
}
RECIPE = {"learning_rate": [0.05, 1.0], "mirror": [True, None], "batch_size": [32, 64]}


def of(recipe, shape=(3, 16, 20)):
    return SearchSpace.from_config(SPACE, shape, 10, recipe=recipe)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.05, "0.05"), (1.0, "1"), (5e-4, "0.0005"), (1e-7, "1e-07"), (3, 3), (True, "true"),
        (False, "false"), (None, "none"), ("one_cycle", "one_cycle"), ("none", '"none"'),
        ("0.1", '"0.1"'), ("", '""'), ('"', '"\\""'),
    ],
)  # fmt: skip
def test_a_value_has_one_text_and_comes_back_from_it(value, text):
    assert token(value) == text
    again = read(token(value))
    assert again == value and isinstance(again, bool) == isinstance(value, bool)


def test_lists_are_parameters_and_single_values_are_none():
    space = of({**RECIPE, "momentum": [0.9], "weight_decay": 0.001})
    own = {p.name: p.choices for p in space.parameters if p.name.startswith("recipe.")}
    assert own == {
        "recipe.learning_rate": ("0.05", "1"),
        "recipe.mirror": ("true", "none"),
        "recipe.batch_size": (32, 64),
    }
    assert space.size == 8 * of({}).size
    assert space.size == sum(len(codes) for codes in space.enumerate())
    same = of({"momentum": [0.9], "weight_decay": 0.001})
    assert same.fingerprint == of({}).fingerprint
    values = space.sample(np.random.default_rng(0)).values
    values |= {"recipe.learning_rate": "1", "recipe.mirror": "none", "recipe.batch_size": 64}
    architecture = space.architecture(values)
    assert architecture.recipe == {"learning_rate": 1, "mirror": None, "batch_size": 64}
    assert Architecture(values).recipe == architecture.recipe
    full = recipe_at({**RECIPE, "momentum": [0.9]}, values)
    assert full == {"momentum": 0.9, **architecture.recipe}


def test_settings_cost_nothing_and_are_not_counted_again():
    space = of(RECIPE)
    cost = NetworkCost(space)
    first = space.sample(np.random.default_rng(0))
    before = cost.cost(first)
    parts = len(cost.table.pieces)
    for rate, mirror, size in itertools.product(("0.05", "1"), ("true", "none"), (32, 64)):
        own = {"recipe.learning_rate": rate, "recipe.mirror": mirror, "recipe.batch_size": size}
        assert cost.cost(space.architecture({**first.values, **own})) == before
    assert len(cost.table.pieces) == parts
    assert before == NetworkCost(of({})).cost(
        of({}).architecture({n: v for n, v in first.values.items() if not n.startswith("recipe.")})
    )


def test_sizes_of_images_are_choices_and_costed_as_such():
    space = of({"resolution": [8, 16], **RECIPE})
    assert space.parameters[0].choices == ("3x8x10", "3x16x20")
    alone = {size: of({"resolution": size}) for size in (8, 16)}
    assert space.size == 8 * sum(s.size for s in alone.values())
    assert space.size == sum(len(codes) for codes in space.enumerate())
    cost = NetworkCost(space)
    values = space.sample(np.random.default_rng(1)).values
    for size, other in alone.items():
        own = {**values, "input": f"3x{size}x{size * 20 // 16}"}
        plain = {n: v for n, v in own.items() if not n.startswith("recipe.")}
        member = space.architecture(own)
        assert cost.cost(member) == NetworkCost(other).cost(other.architecture(plain))
        assert chosen_of(space, member.values)["resolution"] == size
        assert text_of(chosen_of(space, member.values)).startswith(f"resolution {size}, learning")
        assert space.build(member).parts[0].input_shape == (3, size, size * 20 // 16)


def test_what_is_one_network_or_refused_at_one_size_need_not_be_at_another():
    """Windows as large as a small map are one network there; a rule names the size it is of."""
    slots = {"attention": [{"window_attention": "all"}, {"halo": "all"}, "none"]}
    config = {"stages": [{"width": 8, "stride": 2}], "slots": slots}
    small, large = (SearchSpace.from_config(config, (3, side, side), 10) for side in (4, 32))
    space = SearchSpace.from_config(config, (3, 32, 32), 10, recipe={"resolution": [4, 32]})
    assert small.size < large.size
    assert space.size == small.size + large.size
    rows = np.concatenate(list(space.enumerate()))
    assert len(rows) == space.size == len(np.unique(rows, axis=0))
    values = {n: v for n, v in space.architectures(rows[-1:])[0].values.items() if n != "input"}
    for alone, size in ((small, "3x4x4"), (large, "3x32x32")):
        member, plain = (s.architecture({**values, "input": size}) for s in (space, alone))
        assert member == plain


def test_a_rule_holds_at_its_size_of_images(monkeypatch):
    few = replace(
        modules.get("eca"), refuses=lambda site, setting: "too few" if site.height < 8 else None
    )
    monkeypatch.setitem(_registry._ENTRIES, "eca", few)
    config = {"stages": [{"width": 8}], "slots": {"attention": ["none", "eca"]}}
    space = SearchSpace.from_config(config, (3, 16, 16), 10, recipe={"resolution": [4, 16]})
    (reason,) = space.refusals()
    assert "too few" in reason and reason.endswith("(images of 3x4x4)")
    assert space.size == 3 == sum(len(codes) for codes in space.enumerate())


def test_other_tools_choose_them_too():
    class Trial:
        def suggest_categorical(self, name, choices):
            return choices[-1]

    chosen = of({"resolution": [8, 16], **RECIPE}).suggest(Trial())
    assert chosen["input"] == "3x16x20"
    assert chosen.recipe == {"learning_rate": 1, "mirror": None, "batch_size": 64}


@pytest.mark.parametrize(
    ("recipe", "law"),
    [
        ({"learning_rate": []}, "recipe.learning_rate is an empty list"),
        ({"learning_rate": [[0.1], [0.2]]}, r"a setting is a number, a word.*got \[0.1\]"),
        ({"learning_rate": {"low": 0.1}}, "a setting is a number, a word"),
        ({"learning_rate": [0.1, math.nan]}, "must be a finite number, but got nan"),
        ({"learning_rate": [1, 1.0]}, "recipe.learning_rate holds a value twice: 1, 1"),
        ({"weight_decay": ["1e-4", "5e-4"]}, r"YAML reads `1e-4` as text; a number is.* 1.0e-4"),
        ({"learning rate": [0.1, 0.2]}, "named by a word, but got 'learning rate'"),
        ({"resolution": [8, 32]}, "from 1 to the 16 that they have, but got 32; load larger"),
        ({"resolution": [8, None]}, "the height of the images in pixels.*got None"),
    ],
)
def test_bad_settings(recipe, law):
    with pytest.raises(SpaceError, match=law):
        of(recipe)
