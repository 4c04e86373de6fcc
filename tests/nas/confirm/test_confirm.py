"""A confirmation of a small run on real digits: trainings, resume, weights, what others read."""

from __future__ import annotations

import csv
import json

import pytest
import torch
import yaml
from safetensors.torch import load_file

from plugnas.nas.cli import confirm as command
from plugnas.nas.cli import main
from plugnas.nas.confirm import ConfirmError, confirm, read
from plugnas.nas.confirm.text import to_text
from plugnas.nas.confirm.training import LongTraining
from plugnas.nas.data import load
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.ledger.ledger import read as read_ledger
from plugnas.nas.ledger.lines import seal
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.proxy import Proxy, Recipe, train
from plugnas.nas.report import front as front_report
from plugnas.nas.report.data import gather
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView
from plugnas.space import Network, parts_of
from tests.nas.report.synthetic_run import make_run

SPACE = {
    "stem": {"width": 4},
    "stages": [{"width": [4, 8, 12], "depth": 1, "stride": 2}],
    "slots": {"attention": ["none", "eca", "se"], "operator": ["conv", "ghost"]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(
        tmp_path_factory.mktemp("confirm") / "run",
        trials=8,
        space=SPACE,
        budget={},
        executor="serial",
        device="cpu",
        confirm={"seeds": 2, "epochs": 1},
        proxy={"rungs": [{"epochs": 1, "images": 100, "validation_images": 50}]},
    )


@pytest.fixture(scope="module")
def found(run):
    return confirm(RunView.open(run))


def test_front_and_control_are_treated_alike(run, found):
    view = RunView.open(run)
    front, control = found.of("front"), found.of("control")
    assert {m.id for m in front} == {m.id for m in view.front}
    assert len(control) == min(len(front), view.space.size - len(front))
    assert not {m.id for m in control} & {m.id for m in front}
    assert all(m.n == 2 for m in found.members)
    assert all(0 <= m.mean <= 1 and m.proxy_again == m.proxy_again for m in found.members)
    header = read_ledger(run.path / "confirm" / "confirm.jsonl").headers[0]["confirm"]
    assert header["score_on"] == "test"
    assert list(header["learn_from"]) == ["train", "validation"]
    assert header["recipe"]["epochs"] == 1
    records = read_ledger(run.path / "confirm" / "confirm.jsonl").records
    assert {r.seed for r in records} == {1, 2}  # the search used seed 0


def test_weights_are_those_that_were_scored(run, found):
    member = found.members[0]
    dataset = load("digits")
    recipe = Recipe(
        **read_ledger(run.path / "confirm" / "confirm.jsonl").headers[0]["confirm"]["recipe"]
    )
    network = Network(parts_of(member.architecture.values))
    state = load_file(run.path / "confirm" / member.id / "seed1.safetensors")
    network.load_state_dict(state)
    network.eval()
    images = dataset.images[dataset.test].permute(0, 3, 1, 2) / 255
    scaled = (images - dataset.mean.view(1, -1, 1, 1)) / dataset.std.view(1, -1, 1, 1)
    with torch.no_grad():
        right = (network(scaled).argmax(1) == dataset.labels[dataset.test]).float().mean().item()
    assert right == pytest.approx(member.values[0], abs=2 / len(dataset.test))
    again = train(
        lambda: Network(parts_of(member.architecture.values)), dataset, recipe, seed=1,
        device="cpu", learn_from=("train", "validation"), score_on="test",
    )  # fmt: skip
    assert again.accuracy == pytest.approx(member.values[0], abs=1e-12)


def test_what_is_confirmed_is_kept_and_more_seeds_add_to_it(run, found):
    ledger = run.path / "confirm" / "confirm.jsonl"
    before = len(read_ledger(ledger).records)
    same = confirm(RunView.open(run))
    assert len(read_ledger(ledger).records) == before
    assert same.to_dict() == found.to_dict()
    text = ledger.read_text()
    header = text.rstrip().rfind("\n")
    last = text[:header].rfind("\n")
    ledger.write_text(text[: last + 30])  # killed while it wrote
    partial = read(RunView.open(run))
    assert partial.missing == 1
    assert "1 trainings are still to be made" in to_text(partial)
    with pytest.warns(UserWarning, match="cut off"):
        again = confirm(RunView.open(run))
    assert again.missing == 0
    assert [m.values for m in again.members] == [m.values for m in found.members]


def test_a_recipe_recorded_before_a_setting_was_known_is_the_same(run, found):
    path = run.path / "confirm" / "confirm.jsonl"
    whole = path.read_text()
    try:
        path.write_text(_sealed(whole.replace('"signal_epochs":null,', "")))
        assert "signal_epochs" not in path.read_text() != whole
        assert confirm(RunView.open(run)).to_dict()["members"]
        path.write_text(_sealed(whole.replace('"signal_epochs"', '"of_tomorrow"')))
        with pytest.raises(ConfirmError, match="another recipe"):
            confirm(RunView.open(run))
    finally:
        path.write_text(whole)


def _sealed(text):
    """The lines of a ledger with checksums of what they say now."""
    records = [json.loads(line) for line in text.splitlines()]
    return b"".join(seal(record) for record in records).decode()


def test_another_recipe_is_refused(run, found):
    with pytest.raises(ConfirmError, match="another recipe"):
        confirm(RunView.open(run), epochs=2)
    with pytest.raises(ConfirmError, match="at least one seed"):
        confirm(RunView.open(run), seeds=0)


def test_confirmed_and_unconfirmed_never_share_a_column(run, found):
    view = RunView.open(RunDirectory.read(run.path))
    rows = list(csv.DictReader(front_report.to_csv(view).splitlines()))
    by_id = {m.id: m for m in view.front}
    for row in rows:
        assert float(row["accuracy"]) == by_id[row["id"]]["accuracy"]
        assert float(row["test_accuracy"]) == pytest.approx(found.by_id[row["id"]].mean)
        assert int(row["test_n"]) == 2
    assert " test " in front_report.to_text(view)
    data = gather(view)
    assert all(n["test"] for n in data["networks"] if n["front"])
    assert data["history"]["control"]["hypervolume"][-1] > 0
    assert "nas confirm" in data["history"]["note"]
    assert len(data["confirmation"]["members"]) == len(found.members)


def test_the_command(run, found, capsys):
    parser = __import__("argparse").ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([str(run.path), "--json"])) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.to_dict()))
    assert command.run(parser.parse_args([str(run.path)])) == 0
    assert "Kendall's tau" in capsys.readouterr().out


def test_what_was_confirmed_is_shown_without_settings(run, found, capsys, monkeypatch):
    """The job says nothing of the confirmation, which was made with epochs of its own."""
    silent = run.path / "job.yaml"
    asked = silent.read_text()
    job = yaml.safe_load(asked)
    job["confirm"] = None
    silent.write_text(yaml.safe_dump(job, sort_keys=False))
    try:
        lines = (run.path / "confirm" / "confirm.jsonl").read_text().count('"number"')
        again = confirm(RunView.open(RunDirectory.read(run.path)), seeds=2)
        assert [m.values for m in again.members] == [m.values for m in found.members]
        assert (run.path / "confirm" / "confirm.jsonl").read_text().count('"number"') == lines
        monkeypatch.setattr("plugnas.nas.confirm.confirm", None)  # nothing is trained
        assert main(["confirm", str(run.path), "--show", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["members"] == json.loads(json.dumps(found.to_dict()))["members"]
        assert main(["confirm", str(run.path), "--show", "--epochs", "3"]) == 2
    finally:
        silent.write_text(asked)


def test_nothing_to_confirm(tmp_path, capsys):
    run = make_run(tmp_path / "empty", trials=1)
    run.ledger.write_text(run.ledger.read_text().splitlines()[0] + "\n")
    view = RunView.open(run)
    assert read(view) is None
    with pytest.raises(ConfirmError, match="no architecture"):
        confirm(view)
    assert main(["confirm", str(run.path), "--show"]) == 2
    assert "is confirmed yet" in capsys.readouterr().err


def test_a_diverged_training_leaves_no_weights(run, tmp_path):
    recipe = Recipe(epochs=1, learning_rate=1e9, schedule="trapezoid", warmup=0)
    proxy = Proxy("digits", device="cpu")
    architecture = RunView.open(run).front[0].architecture
    result = LongTraining(proxy, recipe, str(tmp_path))()(Task(0, architecture, seed=1))
    assert result["reason"].startswith("diverged")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_job_may_end_with_its_confirmation(tmp_path):
    job = parse(
        {
            "space": SPACE,
            "data": "digits",
            "device": "cpu",
            "executor": "serial",
            "sampler": "random",
            "trials": 3,
            "confirm": {"seeds": 1, "epochs": 1, "control": False},
            "proxy": {"rungs": [{"epochs": 1, "images": 100, "validation_images": 50}]},
        }
    )
    run_job(job, tmp_path, tmp_path / "run")
    view = RunView.open(RunDirectory.read(tmp_path / "run"))
    assert {m.id for m in read(view).members} == {m.id for m in view.front}
