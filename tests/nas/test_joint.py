"""Training settings searched beside the modules, from the job to the export."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plugnas.nas.cli import main
from plugnas.nas.confirm import confirm, read
from plugnas.nas.explain.effects import ExplainError
from plugnas.nas.explain.report import explain_run, slot_named
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.report.data import gather
from plugnas.nas.run.view import open_run
from plugnas.space.training import chosen_of
from tests.nas.host_run import HOST_FILE

RECIPE = {"learning_rate": [0.02, 0.2], "mirror": [True, False], "resolution": [6, 8], "clip": 5}
SMALL = {"images": 64, "validation_images": 50}


def job_of(**changes):
    return parse(
        {
            "space": {
                "stem": {"width": 4},
                "stages": [{"width": 4}],
                "slots": {"attention": ["none", "se"]},
            },
            "data": "digits", "device": "cpu", "seed": 1, "trials": 10, "executor": "serial",
            "sampler": "random", "recipe": RECIPE,
            "proxy": {"rungs": [{"epochs": 1, **SMALL}, {"epochs": 2, **SMALL}]}, **changes,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A search that was stopped, went on, and was confirmed."""
    folder = tmp_path_factory.mktemp("joint")
    run_job(job_of(trials=4), folder, folder / "run")
    run_job(job_of(confirm={"seeds": 1, "epochs": 1}), folder, folder / "run")
    return folder / "run"


def test_a_search_chooses_settings_beside_modules(run):
    view = open_run(run)
    assert not view.failures and not view.misfits
    assert len({m.architecture.id for m in view.measurements}) == 10
    by_network = {}
    for m in view.measurements:
        own = chosen_of(view.space, m.architecture.values)
        assert set(own) == {"resolution", "learning_rate", "mirror"}  # `clip` has one value
        network = tuple(v for n, v in m.architecture.values.items() if not n.startswith("recipe."))
        by_network.setdefault(network, []).append(m.costs)
    assert len(by_network) <= 4  # two attentions at two sizes of images
    assert all(own.count(own[0]) == len(own) for own in by_network.values())
    flops = {n[0]: own[0]["flops"] for n, own in by_network.items()}
    assert flops["1x6x6"] < flops["1x8x8"]


def test_it_is_shown_and_explained_apart_from_modules(run, capsys):
    view = open_run(run)
    assert main(["front", str(run)]) == 0
    text = capsys.readouterr().out
    assert "trained with" in text and re.search(r"resolution [68], learning_rate 0\.\d+", text)
    explained = explain_run(view)
    model = explained.model
    assert {e.slot for e in model.effects} == {"attention"}
    assert {e.slot for e in model.training} <= {"resolution", "learning_rate", "mirror"}
    rates = [e for e in model.training if e.slot == "learning_rate"]
    assert [(e.choice, e.against) for e in rates] == [("0.2", "0.02")]
    sizes = [e for e in model.training if e.slot == "resolution"]
    assert [(e.choice, e.against) for e in sizes] == [("8", "6")]  # not 1x8x8
    assert explained.to_dict()["model"]["training"]
    shown = gather(view)
    assert all("learning_rate 0." in n["training"] for n in shown["networks"])
    words = explained.to_text()
    assert explained.nothing or "training settings, apart from modules" in words
    with pytest.raises(ExplainError, match="did you mean `learning_rate`"):
        slot_named(view, "learning_rat")


def test_the_confirmation_trains_each_by_its_own_recipe(run):
    view, found = open_run(run), read(open_run(run))
    assert {m.id for m in found.of("front")} == {m.id for m in view.front}
    assert found.about["recipe_varies"] == ["learning_rate", "mirror", "resolution"]
    assert "learning_rate" not in found.about["recipe"] and found.about["recipe"]["clip"] == 5
    assert confirm(view).missing == 0  # the same recipe: nothing is refused or made again


def test_an_export_states_the_values(run, tmp_path):
    to = tmp_path / "out"
    assert main(["export", str(run), "--pick", "best", "--to", str(to), "--format", "source"]) == 0
    values = json.loads((to / "architecture.json").read_text())["values"]
    rate = values["recipe.learning_rate"]
    side = values["input"].split("x")[1]
    script, readme = (to / "train.py").read_text(), (to / "README.md").read_text()
    assert f"LEARNING_RATE = {rate}\n" in script and f"HEIGHT = {side} " in script
    assert f"The search chose, for this network: `learning_rate` {rate}, `mirror`" in readme
    assert f"float32 `(B, 1, {side}, {side})`" in readme


def test_a_host_is_held_against_itself_by_each_recipe(tmp_path):
    (tmp_path / "small.py").write_text(HOST_FILE)
    sites = [{"after": "late", "slot": "attention", "choices": ["none", "se"]}]
    space = {"host": {"model": "small.py:Small"}, "sites": sites}
    recipe = {"learning_rate": [0.02, 0.2]}
    rungs = {"rungs": [{"epochs": 1, **SMALL}]}
    job = job_of(space=space, recipe=recipe, proxy=rungs, trials=4)
    view = run_job(job, tmp_path, tmp_path / "run")
    assert view.controls[0].recipe == {"learning_rate": 0.02}  # the first of the list
    found = confirm(view, seeds=1, epochs=1)
    hosts = found.about["host"]
    told = hosts if isinstance(hosts, dict) else dict.fromkeys((m.id for m in view.front), hosts)
    assert set(told) == {m.id for m in view.front}
    confirmed = found.by_id
    for member in view.front:
        beside = [told[member.id], found.about["placebo"].get(member.id)]
        for other in filter(None, beside):
            assert confirmed[other].architecture.recipe == member.architecture.recipe
    assert read(open_run(view.run.path)) == found


OWN = """
def train(network, context):
    own = context.recipe
    assert network.parts[0].input_shape[1] == own["resolution"], own
    assert own["name"] in ("sgd", "none") and own["clip"] == 5 and own["mixed"] in (None, 0.5)
    return {"map50": 0.1 + own["rate"] * (own["mixed"] is None)}
"""


def test_a_training_of_one_s_own_is_told_the_values(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    recipe = {
        "rate": [0.1, 0.2], "name": ["sgd", "none"], "clip": 5, "resolution": [6, 8],
        "mixed": [None, 0.5],
    }  # fmt: skip
    job = job_of(
        evaluate="own.py:train", input=[1, 8, 8], classes=10, data=None, recipe=recipe,
        objectives={"map50": "max", "flops": "min"},
        proxy={"rungs": [{"epochs": 1}]}, confirm={"seeds": 1, "control": False},
    )  # fmt: skip
    view = run_job(job, Path(tmp_path), tmp_path / "run")
    assert [m.reason for m in view.failures] == []
    for m in view.measurements:
        own = m.architecture.recipe
        assert m.values["map50"] == pytest.approx(0.1 + own["rate"] * (own["mixed"] is None))
    assert read(view).missing == 0 and not read(view).failed
