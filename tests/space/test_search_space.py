"""The space: counting, sampling, moving about, identity of architectures."""

from __future__ import annotations

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch

from plugnas import modules
from plugnas.space import SearchSpace, SpaceError, parts_of

JOB = {
    "stem": {"width": [8, 16]},
    "stages": [
        {"width": [8, 12], "depth": [1, 2]},
        {"width": 16, "depth": [1, 3], "stride": 2},
    ],
    "slots": {
        "operator": ["conv", {"group_conv": {"groups": [2, 4]}}],
        "attention": {"choices": ["none", {"se": "all"}], "scope": "stage"},
        "activation": {"choices": ["relu", "silu"], "scope": "network"},
    },
    "context": ["none", "se"],
}


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_config(JOB, (1, 9, 7), 10)


def test_size_is_the_number_of_members(space):
    rows = np.concatenate(list(space.enumerate(1000)))
    assert len(rows) == space.size
    assert len(np.unique(rows, axis=0)) == space.size
    # 2 stems x 2 activations x 2 contexts x stage 1: (3 + 9) operators x 3 attentions at width 8
    # and at width 12, where reductions of 8 and 16 both leave one channel, x stage 2: (3 + 27)
    # operators x 4 attentions at width 16
    assert space.size == 2 * 2 * 2 * (2 * (3 + 9) * 3) * ((3 + 27) * 4)


def test_ids_are_stable_and_spellings_collapse(space):
    rng = np.random.default_rng(0)
    architecture = space.sample(rng)
    again = space.architecture(architecture.values)
    assert again == architecture
    assert pickle.loads(pickle.dumps(architecture)) == architecture
    noisy = dict(architecture.values)
    noisy["stage2.block3.operator"] = "conv"  # may be inactive: then it must not matter
    if architecture["stage2.depth"] == 1:
        assert space.architecture(noisy) == architecture
    plain = SearchSpace({"a": ["x", "y"]}).architecture({"a": "x"})
    assert plain.json() == '{"a":"x"}'
    assert plain.id == hashlib.sha256(b'{"a":"x"}').hexdigest()[:12]


def test_aliases_are_one_choice(space):
    values = space.sample(np.random.default_rng(1)).values
    assert "swish" in {p for q in space.parameters for p in q.choices}
    assert "silu" not in values.values()


def test_moves_stay_inside_and_change_one_choice(space):
    rng = np.random.default_rng(2)
    codes = space.sample_codes(300, rng)
    assert space.allowed(codes).all()
    mutated = space.mutate_codes(codes, rng)
    members = {row.tobytes() for chunk in space.enumerate() for row in chunk}
    assert all(row.tobytes() in members for row in codes)
    assert all(row.tobytes() in members for row in mutated)
    assert (codes != mutated).any(1).all()
    crossed = space.crossover_codes(codes, codes[::-1], rng)
    assert all(row.tobytes() in members for row in crossed)
    same = space.crossover_codes(codes, codes, rng)
    assert (same == codes).all()


def test_neighbours_are_exactly_the_members_one_choice_away(space):
    architecture = space.sample(np.random.default_rng(3))
    near = space.neighbours(architecture)
    assert len(set(near)) == len(near)
    mine = architecture.values
    for other in near:
        shared = set(mine) & set(other.values)
        changed = [name for name in shared if mine[name] != other.values[name]]
        assert len(changed) == 1
        assert architecture in set(space.neighbours(other)) or len(mine) != len(other.values)
    free = sum(len(p.choices) - 1 for p in space.parameters if p.name in mine)
    assert len(near) == free


def test_sampling_is_uniform_over_active_choices():
    plain = SearchSpace({"a": ["x", "y", "z"], "b": [1, 2]})
    codes = plain.sample_codes(6000, np.random.default_rng(4))
    counts = np.unique(codes, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert (abs(counts - 1000) < 150).all()


def test_refusals_are_kept_out():
    def refuses(site, setting):
        return "too wide" if site.channels > 10 else None

    job = {
        "stages": [{"width": [8, 12], "depth": [1, 2]}],
        "slots": {"attention": ["none", "se"]},
    }
    assert SearchSpace.from_config(job, (3, 8, 8), 2).size == 2 * (2 + 4)
    entry = modules.get("se")
    before = entry.refuses
    object.__setattr__(entry, "refuses", refuses)
    try:
        space = SearchSpace.from_config(job, (3, 8, 8), 2)
        assert space.size == sum(len(chunk) for chunk in space.enumerate()) == (2 + 4) + (1 + 1)
        codes = space.sample_codes(200, np.random.default_rng(0))
        assert space.allowed(codes).all()
        assert len(space.refusals()) == 2
        wide = {
            **space.architectures(codes)[0].values,
            "stage1.width": 12,
            "stage1.depth": 1,
            "stage1.block1.attention": "se",
        }
        assert "too wide" in space.refusal(space.architecture(wide))
        with pytest.raises(SpaceError, match=r"stage1.block1.attention.*refuses every one"):
            SearchSpace.from_config(
                {"stages": [{"width": 12}], "slots": {"attention": ["se"]}}, (3, 8, 8), 2
            )
    finally:
        object.__setattr__(entry, "refuses", before)


def test_values_alone_build_the_network(space):
    architecture = space.sample(np.random.default_rng(5))
    network = space.build(architecture)
    network.eval()
    assert network(torch.randn(3, 1, 9, 7)).shape == (3, 10)
    assert parts_of(architecture.values) == space.parts(architecture)
    assert "stage1:" in repr(network)


def test_positions_determine_the_parts(space):
    rng = np.random.default_rng(6)
    codes = space.sample_codes(50, rng)
    for row, architecture in zip(codes, space.architectures(codes), strict=True):
        found = [space.part_at(p, row[list(p.columns)]) for p in space.positions]
        assert tuple(part for part in found if part is not None) == space.parts(architecture)


def test_features_tell_architectures_apart(space):
    codes = np.concatenate(list(space.enumerate()))[:5000]
    features = space.encode(codes)
    assert features.shape == (len(codes), len(space.feature_names))
    assert len(np.unique(features, axis=0)) == len(codes)
    row = space.codes([space.sample(np.random.default_rng(7))])
    names = list(space.feature_names)
    held = [j for j, p in enumerate(space.parameters) if p.slot == "operator"]
    blocks = [j for j in held if space.parameters[j].name.endswith("operator")]
    convs = sum(row[0, j] >= 0 and space.parameters[j].choices[row[0, j]] == "conv" for j in blocks)
    assert space.encode(row)[0, names.index("count operator=conv")] == convs


def test_suggest_asks_for_what_is_active(space):
    class Trial:
        def __init__(self):
            self.asked = []

        def suggest_categorical(self, name, choices):
            self.asked.append(name)
            return choices[-1]

    trial = Trial()
    architecture = space.suggest(trial)
    assert trial.asked == list(architecture.values)
    assert architecture["stage2.depth"] == 3


@pytest.mark.parametrize(
    ("choices", "law"),
    [
        ({}, "at least one parameter"),
        ({"a": []}, "non-empty"),
        ({"a": "xyz"}, "non-empty list"),
        ({"a": ["x", "x"]}, "twice"),
        ({"a": ["x", 1]}, "all strings or all ints"),
        ({"a": [True, 1]}, "all strings or all ints"),
    ],
)
def test_bad_plain_spaces(choices, law):
    with pytest.raises(SpaceError, match=law):
        SearchSpace(choices)


def test_bad_values(space):
    values = space.sample(np.random.default_rng(0)).values
    with pytest.raises(SpaceError, match="did you mean `stage1.width`"):
        space.architecture({**values, "stage1.widht": 8})
    with pytest.raises(SpaceError, match="must be one of 8, 12, but got 9"):
        space.architecture({**values, "stage1.width": 9})
    del values["stage1.width"]
    with pytest.raises(SpaceError, match="`stage1.width` is missing"):
        space.architecture(values)


def test_older_values_are_adopted_where_they_build_the_same():
    old = SearchSpace.from_config(
        {"stages": [{"width": 8}], "slots": {"attention": ["none", "se"]}}, (3, 8, 8), 2
    )
    new = SearchSpace.from_config(
        {"stages": [{"width": [8, 16]}], "slots": {"attention": ["eca", {"se": "all"}]}},
        (3, 8, 8),
        2,
    )
    rows = old.architectures(np.concatenate(list(old.enumerate())))
    by_attention = {a["stage1.block1.attention"]: a for a in rows}
    adopted = new.adopt(by_attention["se"].values)
    # At width 8 the default, 16, leaves one channel as 8 does, which stands for both.
    assert adopted["stage1.block1.attention.se.reduction"] == 8
    assert parts_of(adopted.values)[0] == parts_of(by_attention["se"].values)[0]
    assert old.adopt(adopted.values) == by_attention["se"]
    with pytest.raises(SpaceError, match="must be one of eca, se, but got 'none'"):
        new.adopt(by_attention["none"].values)
    other = {**adopted.values, "stage1.block1.attention.se.reduction": 4}
    with pytest.raises(SpaceError, match="no parameter"):
        old.adopt(other)


def test_members_are_what_adopt_finds_of_values_that_stand_as_they_are():
    space = SearchSpace({"depth": [1, 2], "kind": ["a", "b"]})
    values = [
        {"depth": 2, "kind": "b"},
        {"kind": "b", "depth": 2},  # another order
        {"depth": 3, "kind": "b"},
        {"depth": [1], "kind": "a"},
        {"depth": 1},
        {"depth": 1, "kind": "a", "more": 1},
        {},
    ]
    texts = [json.dumps(v).encode() for v in values] + [b"[1]", b"{", b"3"]
    found = space.members(texts, [""] * len(texts))
    known = [None if m is None else m.values for m in found]
    assert known == [values[0], values[0], *[None] * (len(texts) - 2)]
    assert list(known[1]) == ["depth", "kind"]  # the space's order
    assert found[0] == space.adopt(values[0])
    assert space.codes([found[0]]).tolist() == space.codes([space.adopt(values[0])]).tolist()
