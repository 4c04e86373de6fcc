"""Patterns of paths."""

from __future__ import annotations

import pytest

from plugnas.space.host.match import common_pattern, matching, nearest
from plugnas.space.host.names import Holder, parse

PATHS = [
    "relu", "layer1", "layer1.0", "layer1.0.bn2", "layer1.0.relu", "layer1.1.bn2",
    "layer2", "layer2.0.bn2", "layer2.10.bn2", "layer3", "features.3.block.1", "features.4.block.1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("layer1", ["layer1"]),
        ("layer[1-2]", ["layer1", "layer2"]),
        ("layer[!1]", ["layer2", "layer3"]),
        ("layer*", ["layer1", "layer2", "layer3"]),
        ("layer2.*.bn2", ["layer2.0.bn2", "layer2.10.bn2"]),
        ("layer2.?.bn2", ["layer2.0.bn2"]),
        ("*.relu", ["layer1.0.relu"]),
        ("**.relu", ["relu", "layer1.0.relu"]),
        ("layer1.**", ["layer1.0", "layer1.0.bn2", "layer1.0.relu", "layer1.1.bn2"]),
        ("features.{3,4}.block.1", ["features.3.block.1", "features.4.block.1"]),
        ("layer1.bn2", []),
        ("layer.", []),
    ],
)
def test_patterns(pattern, found):
    assert matching(pattern, PATHS) == found


def test_a_pattern_without_a_match_has_near_paths():
    assert "layer1.0.bn2" in nearest("layer1.*.bn", PATHS)
    assert nearest("quite_another", ["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (["a.0.bn", "a.1.bn", "b.0.bn", "b.1.bn"], "*.bn"),  # all: the job's own pattern
        (["a.0.bn", "a.1.bn"], "a.*.bn"),
        (["a.0.bn", "b.1.bn"], "{a.0.bn,b.1.bn}"),
        (["b.1.bn"], "b.1.bn"),
    ],
)
def test_a_group_is_named_by_a_pattern_that_means_just_its_members(members, name):
    among = ["a.0.bn", "a.1.bn", "b.0.bn", "b.1.bn"]
    assert common_pattern(members, among, "*.bn") == name
    assert matching(name, among) == members


def test_a_parameter_says_how_where_and_in_which_slot():
    assert parse("after.layer4.*.bn2.attention") == Holder("after", "layer4.*.bn2", "attention")
    assert parse("replace.conv1.operator").name == "replace.conv1.operator"
    for other in ("after.layer3.attention.se.reduction", "classes", "after.x.activation", "after"):
        assert parse(other) is None
