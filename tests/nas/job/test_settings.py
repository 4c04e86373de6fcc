"""The ``recipe`` of a job: what it may say, where rungs say the same, and each network's recipe."""

from __future__ import annotations

import pickle

import msgspec
import numpy as np
import pytest

from plugnas.nas.job.announcement import trainings_of_proxy
from plugnas.nas.job.config import parse, to_yaml
from plugnas.nas.job.prepared import prepare
from plugnas.nas.job.rungs import long_rung
from plugnas.nas.job.settings import settings_of
from plugnas.nas.job.workers import evaluator
from plugnas.nas.proxy import Recipe
from plugnas.nas.proxy.settings import Settings
from plugnas.nas.run.directory import RunDirectory, RunError, facts_of
from plugnas.space import Architecture
from plugnas.space.typed import ConfigError

SPACE = {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "se"]}}
RUNGS = {"rungs": [{"epochs": 1, "images": 64}, {"epochs": 2, "images": 64}]}
LISTS = {"learning_rate": [0.05, 0.2], "mixup": [0, 0.2], "resolution": [6, 8]}


def job_of(recipe, **changes):
    return parse({"space": SPACE, "data": "digits", "device": "cpu", "recipe": recipe, **changes})


@pytest.mark.parametrize(
    ("recipe", "changes", "law"),
    [
        ({"learning_rat": [0.1, 0.2]}, {}, "no setting `learning_rat`; did you mean `learning_r"),
        ({"epochs": [1, 2]}, {}, "`epochs` is what rungs differ in; say it in `proxy.rungs`"),
        ({"freeze": "host"}, {}, "`freeze` is what rungs differ in"),
        ({"learning_rate": [0.1, -1]}, {}, "recipe: learning_rate must be above 0, but got -1"),
        ({"momentum": [0.9, 1.0]}, {}, "recipe: momentum must be below 1, but got 1.0"),
        ({"mirror": [True, "no"]}, {}, "recipe: mirror: expected `bool"),
        ({"schedule": ["one_cycle", "cosine"]}, {}, "recipe: schedule: `cosine` is none of"),
        ({"clip": []}, {}, "recipe.clip is an empty list"),
        ({"clip": [[1.0], 2.0]}, {}, "recipe.clip: a setting is a number"),
        ({"clip": [1.0, float("nan")]}, {}, "recipe.clip must be a finite number, but got nan"),
        ({"clip": [1, 1.0]}, {}, "recipe.clip holds a value twice"),
        ({"weight_decay": ["1e-4", "1e-3"]}, {}, "YAML reads `1e-4` as text"),
        (
            {"learning_rate": [0.1, 0.2]},
            {"proxy": {"rungs": [{"epochs": 1}, {"epochs": 2, "learning_rate": 0.1}]}},
            r"proxy.rungs\[1\] sets learning_rate, which `recipe` varies",
        ),
        (
            {"learning_rate": [0.1, 0.2]},
            {"confirm": {"recipe": {"learning_rate": 0.1}}},
            "confirm.recipe sets learning_rate, which `recipe` varies",
        ),
        ([0.1], {}, "recipe: expected `mapping`"),
    ],
)  # fmt: skip
def test_what_a_recipe_cannot_say(recipe, changes, law):
    with pytest.raises(ConfigError, match=law):
        job_of(recipe, **changes)


@pytest.mark.parametrize(
    ("recipe", "law"),
    [
        ({"resolution": [8, 16]}, "the height of the images in pixels, from 1 to the 8"),
        ({"resolution": [2, 8]}, "recipe, resolution 2: .*resolution must be at least 4 pixels"),
        ({"resolution": [4, 8], "shift": [1, 6]}, "recipe, shift 6, resolution 4: .*shift must be"),
    ],
)
def test_what_these_images_do_not_bear(recipe, law, tmp_path):
    with pytest.raises(Exception, match=law):
        prepare(job_of(recipe, proxy=RUNGS), tmp_path)


def test_a_host_has_one_size_of_images(tmp_path):
    sites = [{"after": "layer1", "slot": "attention", "choices": ["none", "se"]}]
    space = {"host": {"model": "torchvision.models:resnet18"}, "sites": sites}
    with pytest.raises(Exception, match="resolution is for a skeleton: a host is traced"):
        prepare(job_of({"resolution": [6, 8]}, space=space), tmp_path)


def test_single_values_stand_in_rungs_that_say_nothing_else(tmp_path):
    rungs = [{"epochs": 1, "momentum": 0.5}, {"epochs": 2}]
    job = job_of({"momentum": 0.8, "zoom": [0.5]}, proxy={"rungs": rungs})
    assert [(r.momentum, r.zoom) for r in job.proxy.rungs] == [(0.5, 0.5), (0.8, 0.5)]
    assert parse(_read(to_yaml(job))) == job
    assert settings_of(job) == Settings()
    prepared = prepare(job_of({"momentum": 0.8, "resolution": 6}), tmp_path)
    assert {(r.momentum, r.resolution) for r in prepared.job.proxy.rungs} == {(0.8, 6)}
    assert prepared.space.parameters[0].choices == ("1x6x6",)  # it is costed at that size
    assert long_rung(prepared.job, (1, 8, 8), 1000).momentum == 0.8
    own = job_of({"momentum": 0.8}, confirm={"recipe": {"momentum": 0.7}})
    assert long_rung(own, (1, 8, 8), 1000).momentum == 0.7


def test_every_training_of_a_network_is_by_its_own_values(tmp_path):
    prepared = prepare(job_of(LISTS), tmp_path)
    proxy = pickle.loads(pickle.dumps(evaluator(prepared)))  # as a worker elsewhere gets it
    assert proxy.settings == Settings(("learning_rate", "mixup", "resolution"))
    member = prepared.space.sample(np.random.default_rng(0))
    values = {**member.values, "input": "1x6x6", "recipe.learning_rate": "0.2"}
    own = prepared.space.architecture({**values, "recipe.mixup": "0.2"})
    for recipe in (*proxy.rungs, long_rung(prepared.job, (1, 8, 8), 1000)):
        found = proxy.settings.of(recipe, own)
        assert (found.learning_rate, found.mixup, found.resolution) == (0.2, 0.2, 6)
        kept = msgspec.structs.replace(found, learning_rate=0.1, mixup=0.0, resolution=None)
        assert kept == recipe
    score = proxy.settings.of(Recipe(zero_cost="synflow"), own)
    assert (score.mixup, score.resolution) == (0.0, 6)  # an untrained network mixes no images
    text = "\n".join(trainings_of_proxy(prepared))
    assert "at 6 or 8 px" in text
    assert "learning_rate (0.05, 0.2), mixup (0, 0.2), resolution (6, 8)" in text


def test_a_host_s_own_rate_follows_the_chosen_one():
    settings = Settings(("learning_rate",), gently=True)
    member = Architecture({"recipe.learning_rate": "0.5"})
    assert settings.of(Recipe(), member).host_learning_rate == pytest.approx(0.05)
    assert settings.of(Recipe(host_learning_rate=0.3), member).host_learning_rate == 0.3
    assert settings.of(Recipe(freeze="host"), member).host_learning_rate is None
    same = Recipe()
    assert Settings().of(same, member) is same


def test_a_run_keeps_the_job_and_another_recipe_is_another_job(tmp_path):
    prepared = prepare(job_of(LISTS), tmp_path)
    facts = facts_of(prepared.dataset, tmp_path, "cpu", prepared.outputs)
    run = RunDirectory.claim(tmp_path / "run", prepared.job, facts)
    run.path.mkdir()
    run.write()
    assert "learning_rate" not in _read(run.text)["proxy"]["rungs"][0]
    again = RunDirectory.read(run.path)
    assert again.job == prepared.job
    assert again.space().fingerprint == prepared.space.fingerprint
    more = prepare(job_of({**LISTS, "learning_rate": [0.05, 0.2, 0.4]}), tmp_path)
    RunDirectory.claim(run.path, more.job, facts)  # choices may change
    for recipe in ({**LISTS, "mixup": 0.2}, {**LISTS, "momentum": [0.8, 0.9]}, {}):
        other = prepare(job_of(recipe), tmp_path)
        with pytest.raises(RunError, match="holds another job: its `(recipe|proxy)"):
            RunDirectory.claim(run.path, other.job, facts)


def _read(text):
    import yaml

    return yaml.safe_load(text)
