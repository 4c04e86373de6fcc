"""``nas export`` and ``nas import`` of a run: picks, where weights come from, errors."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch

from plugnas import nas
from plugnas.nas.cli import main
from plugnas.nas.run.view import RunView
from plugnas.space import network_of
from tests.nas.report.synthetic_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run_export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUGNAS_CACHE", str(folder / "cache"))
        yield make_run(
            folder / "run", trials=12, proxy={"rungs": [{"epochs": 1, "images": 200}]},
            confirm={"epochs": 1},
        )  # fmt: skip


def described(path):
    return json.loads((path / "architecture.json").read_text())


def test_the_proxy_s_weights_are_trained_again_and_labelled(run, capsys):
    assert main(["export", str(run.path), "--pick", "knee", "--format", "pt2,safetensors"]) == 0
    (path,) = (run.path / "export").iterdir()
    member = RunView.open(run).pick("knee")
    assert path.name == member.id
    assert described(path)["weights"]["source"] == "proxy"
    assert "THE PROXY'S" in (path / "README.md").read_text()
    assert str(path) in capsys.readouterr().out
    assert main(["import", str(path)]) == 0
    out = capsys.readouterr().out
    assert "each with the checksum it was exported with" in out
    assert f"{member.id}: 1x8x8 images in 10 classes" in out


def test_training_again_gives_the_same_weights_to_the_last_bit(run, tmp_path):
    for name in ("a", "b"):
        command = ["export", str(run.path), "--to", str(tmp_path / name), "--format", "safetensors"]
        assert main(command) == 0
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("a", "b"))
    assert first == second


def test_the_long_recipe_is_scored_on_the_test_set(run, tmp_path):
    to = tmp_path / "long"
    command = ["export", str(run.path), "--train", "--to", str(to), "--format", "safetensors"]
    assert main(command) == 0
    weights = described(to)["weights"]
    assert weights["source"] == "long recipe"
    assert weights["measured_on"] == "test images"
    assert weights["recipe"]["epochs"] == 1


def test_confirmed_weights_come_first_and_their_first_seed(run, tmp_path):
    member = RunView.open(run).pick("best")
    folder = run.path / "confirm" / member.id
    folder.mkdir(parents=True)
    recipe = {"epochs": 7, "resolution": 4}  # as of `nas confirm --epochs 7`; the job says 1
    records = [{"ledger": 1, "confirm": {"recipe": recipe}}]
    for seed, accuracy in ((0, 0.97), (1, 0.99)):
        torch.manual_seed(seed)
        state = network_of(member.architecture).state_dict()
        safetensors.torch.save_file(state, folder / f"seed{seed}.safetensors")
        records.append(
            {"number": 0, "rung": 0, "seed": seed, "status": "ok", "values": {"accuracy": accuracy},
             "architecture": {"id": member.id, "values": member.architecture.values}}
        )  # fmt: skip
    lines = [json.dumps(record) for record in records]
    (run.path / "confirm/confirm.jsonl").write_text("\n".join([*lines, '{"torn']))
    to = tmp_path / "confirmed"
    command = ["export", str(run.path), "--pick", "best", "--to", str(to)]
    assert main([*command, "--format", "safetensors"]) == 0
    weights = described(to)["weights"]
    assert (weights["source"], weights["seed"], weights["n"]) == ("confirmation", 0, 2)
    assert (weights["metric"], weights["value"]) == ("accuracy", 0.97)
    assert weights["mean"] == pytest.approx(0.98)
    assert weights["recipe"]["epochs"] == 7
    assert "(7 epochs)" in (to / "README.md").read_text()
    assert described(to)["input_shape"] == [1, 4, 4]
    torch.manual_seed(0)
    expected = network_of(member.architecture).state_dict()
    found = safetensors.torch.load_file(to / "model.safetensors")
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_every_member_of_the_front(run, tmp_path):
    command = ["export", str(run.path), "--all-front", "--to", str(tmp_path)]
    assert main([*command, "--format", "source"]) == 0
    members = RunView.open(run).front
    assert len(members) > 1
    assert {p.name for p in tmp_path.iterdir()} == {m.id for m in members}
    for member in members:
        assert nas.load(tmp_path / member.id)(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pick", "nosuch"], "is no pick"),
        (["--format", "tflite"], "--format is one or more of pt2"),
        (["--format", "source,"], "--format is one or more of pt2"),
        (["--quantize", "int3"], "--quantize takes int8"),
    ],
)
def test_bad_input_is_one_paragraph_and_leaves_nothing(run, tmp_path, capsys, arguments, message):
    to = tmp_path / "out"
    assert main(["export", str(run.path), "--to", str(to), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert "training" not in error  # refused before anything is trained
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_user_s_is_refused_before_anything_is_trained(run, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["export", str(run.path), "--train", "--to", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "exists and is no export" in error
    assert "training" not in error
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_train_py_follows_the_long_recipe_though_the_proxy_s_images_were_smaller(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
        proxy = {"rungs": [{"epochs": 1, "images": 100, "resolution": 4}]}
        small = make_run(tmp_path / "run", trials=3, proxy=proxy, confirm={"epochs": 2})
        to = tmp_path / "out"
        command = ["export", str(small.path), "--to", str(to), "--format", "source"]
        assert main(command) == 0
    assert described(to)["input_shape"] == [1, 4, 4]
    script = (to / "train.py").read_text()
    for line in ("EPOCHS = 2", "HEIGHT = 8", "WIDTH = 8"):
        assert f"\n{line} " in script or f"\n{line}\n" in script
    readme = (to / "README.md").read_text()
    assert "Costs and the table below are for the search's images, 1x8x8" in readme
    assert "The recipe at 8x8 pixels" in readme


def test_importing_what_is_no_export_or_was_changed(run, tmp_path, capsys):
    assert main(["import", str(tmp_path)]) == 2
    assert "is no export" in capsys.readouterr().err
    to = tmp_path / "out"
    assert main(["export", str(run.path), "--to", str(to), "--format", "safetensors"]) == 0
    assert main(["import", str(to)]) == 0
    assert capsys.readouterr().err.count("nas: warning") == 0
    (to / "torch.py").write_text("print('mine')")
    (to / "notes").mkdir()
    assert main(["import", str(to)]) == 0
    assert "files that are not part of the export: notes, torch.py" in capsys.readouterr().err
    (to / "README.md").write_text("something else")
    assert main(["import", str(to)]) == 2
    assert "README.md was changed" in capsys.readouterr().err
    with pytest.raises(nas.export.ExportError):
        nas.load(to)
