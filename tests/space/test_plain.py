"""Plain spaces: conditions, families and refusals in a dict of choices."""

from __future__ import annotations

import numpy as np
import pytest

from plugnas.space import SearchSpace, SpaceError

CONDITIONAL = {"op": {"conv": {"kernel": [3, 5]}, "pool": {}, "none": None}, "width": [8, 16, 32]}


def everything(space):
    return [a for codes in space.enumerate() for a in space.architectures(codes)]


def test_what_stands_under_a_choice_exists_only_there():
    space = SearchSpace(CONDITIONAL)
    assert [p.name for p in space.parameters] == ["op", "op.conv.kernel", "width"]
    found = everything(space)
    assert len(found) == space.size == (2 + 1 + 1) * 3
    for architecture in found:
        assert ("op.conv.kernel" in architecture.values) == (architecture["op"] == "conv")


def test_conditions_nest():
    space = SearchSpace({"a": {"x": {"b": {"y": {"c": [1, 2]}, "z": {}}}, "w": {}}})
    assert [p.name for p in space.parameters] == ["a", "a.x.b", "a.x.b.y.c"]
    assert space.size == len(everything(space)) == 4


def test_families_are_of_choices_and_the_rest_are_their_own():
    space = SearchSpace(
        {"a": ["id", "mb3", "mb6"], "b": [1, 2]}, families={"mb3": "mb", "mb6": "mb"}
    )
    assert space.parameters[0].families == ("id", "mb", "mb")
    assert space.parameters[1].families is None
    row = space.codes([space.architecture({"a": "mb3", "b": 1})])
    near = space.mutate_codes(np.repeat(row, 60, axis=0), np.random.default_rng(0), local=1.0)
    assert set(near[:, 0].tolist()) <= {1, 2}  # only within its family


def test_refusals_hold_in_every_way_to_a_member_and_give_their_reason():
    def unfit(kernel, width):
        return "too large" if kernel == 5 and width > 8 else None

    space = SearchSpace(CONDITIONAL, refuses={("op.conv.kernel", "width"): unfit})
    found = everything(space)
    assert len(found) == space.size == 12 - 2
    rng = np.random.default_rng(0)
    codes = space.sample_codes(200, rng)
    codes = np.concatenate([codes, space.mutate_codes(codes, rng)])
    drawn = {a.id for a in space.architectures(codes)}
    assert drawn <= {a.id for a in found}
    assert space.refusals() == [
        "op.conv.kernel=5, width=16: too large",
        "op.conv.kernel=5, width=32: too large",
    ]
    bad = space.architecture({"op": "conv", "op.conv.kernel": 5, "width": 32})
    assert space.refusal(bad) == "op.conv.kernel=5, width=32: too large"


def test_sizes_of_large_spaces_multiply_over_what_does_not_hang_together():
    choices = {f"p{i}": [0, 1, 2, 3] for i in range(30)}
    rule = {("p0", "p1"): lambda a, b: a == b, "p9": lambda v: v == 3}
    assert SearchSpace(choices, refuses=rule).size == 12 * 3 * 4**27
    tied = {(f"p{i}", f"p{i + 1}"): lambda a, b: a == b for i in range(11)}
    exact = 4 * 3**11 * 4**18  # more than is counted one by one
    assert SearchSpace(choices, refuses=tied).size == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize(
    ("choices", "more", "said"),
    [
        ({"op": {"conv": [3, 5]}}, {}, "under `conv` of `op` must be a mapping"),
        ({"op": {}}, {}, "non-empty list"),
        ({"op": {"a": {"k": [1]}}, "op.a.k": [1]}, {}, "two parameters are named `op.a.k`"),
        ({"a": ["mb3"]}, {"families": {"mb": "x"}}, "did you mean `mb3`"),
        ({"width": [1]}, {"refuses": {"widht": bool}}, "did you mean `width`"),
        ({"a": [1]}, {"refuses": {"a": "no"}}, "function of their values"),
        ({"a": [1]}, {"refuses": {("a", "a"): max}}, "each once"),
    ],
)
def test_errors_say_what_to_write(choices, more, said):
    with pytest.raises(SpaceError, match=said):
        SearchSpace(choices, **more)
