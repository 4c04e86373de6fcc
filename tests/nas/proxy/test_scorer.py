"""Zero-cost scores of a job's networks, those of the zoo among them."""

from __future__ import annotations

import math

import pytest
import torch

from plugnas.nas import tasks
from plugnas.nas.data import load, parse
from plugnas.nas.proxy.scorer import Scorer
from plugnas.nas.proxy.zero_cost import SCORES
from plugnas.space import SearchSpace

# one of each kind of operator inside: einsum, FFT, sorting, gathering, complex, deformed, scanned
ODD = (
    ("operator", "involution"),
    ("operator", "deform_conv"),
    ("operator", "octave_conv"),
    ("operator", "ffc"),
    ("attention", "global_filter"),
    ("attention", "ss2d"),
    ("attention", "non_local"),
    ("attention", "external_attention"),
    ("attention", "simam"),
)


@pytest.fixture(scope="module")
def digits():
    return load(parse("digits"))


def scorer_of(dataset, names=tuple(SCORES), **slots):
    space = SearchSpace.from_config(
        {"stem": {"width": 8}, "stages": [{"width": 8, "depth": 1}], "slots": slots},
        dataset.input_shape,
        10,
    )
    task = tasks.create(tasks.DEFAULT).prepared(dataset)
    architecture = space.architectures(next(space.enumerate())[:1])[0]
    return Scorer(space.build, dataset, task, names), architecture


def test_scores_are_the_same_every_time_and_touch_no_stream_of_random_numbers(digits):
    scorer, architecture = scorer_of(digits)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    scores = scorer(architecture)
    assert torch.equal(torch.rand(1), expected)
    assert set(scores) == set(SCORES) and all(map(math.isfinite, scores.values()))
    again, _ = scorer_of(digits)
    assert again(architecture) == scores


@pytest.mark.parametrize(("slot", "key"), ODD)
def test_modules_of_every_kind_are_scored(digits, slot, key):
    scorer, architecture = scorer_of(digits, ("synflow", "naswot", "zico", "swap"), **{slot: [key]})
    assert all(map(math.isfinite, scorer(architecture).values()))


def test_what_cannot_be_scored_is_no_number(digits):
    scorer, architecture = scorer_of(digits, ("naswot", "synflow"))

    def build(_):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))

    scores = Scorer(build, digits, scorer.task, ("naswot", "synflow"))(architecture)
    assert math.isnan(scores["naswot"]) and math.isfinite(scores["synflow"])
