"""The matrix of modules and runtimes: complete, and what it says is so."""

from __future__ import annotations

import json
import os
import time

import pytest

from plugnas import modules
from plugnas.nas.cli import main
from plugnas.nas.export.matrix import YES, libraries_here, runtimes_here, try_module
from plugnas.nas.export.matrix_process import Trial
from plugnas.nas.report import runtimes

KEYS = [entry.key for entry in modules.entries()]
SAMPLE = ["se", "od_conv", "dysample", "ffc"]


def _agrees(key: str) -> None:
    """Whether a runtime takes a module is as it is written; reasons may be worded anew."""
    kept = runtimes.kept().modules[key]
    found = dict(try_module(modules.get(key), runtimes_here()))
    assert {n: v == YES for n, v in found.items()} == {n: kept[n] == YES for n in found}


def test_the_matrix_holds_every_module():
    assert sorted(runtimes.kept().modules) == sorted(KEYS), f"make it anew: {runtimes.COMMAND}"


@pytest.mark.parametrize("key", SAMPLE)
def test_a_sample_is_as_it_is_written(key):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    _agrees(key)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_every_module_is_as_it_is_written(key):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    _agrees(key)


def test_what_the_exporter_declares_is_what_the_matrix_found():
    for key, row in runtimes.kept().modules.items():
        declared = modules.get(key).export
        assert (row["torch.export"] == YES) == ("pt2" not in declared), key


class _Told:
    """Stands in for the process that tries modules; ends as Ctrl-C does where it is told to."""

    def __init__(self, stop: str = "") -> None:
        self.stop, self.asked = stop, list[str]()

    def answers(self, key, names):
        if key == self.stop:
            raise KeyboardInterrupt
        self.asked.append(key)
        return dict.fromkeys(names, YES)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_what_an_interrupted_command_found_is_not_tried_anew(tmp_path):
    part, entries = tmp_path / "part", [modules.get(key) for key in ("se", "eca", "cbam")]
    first, second = _Told(stop="cbam"), _Told()
    with pytest.raises(KeyboardInterrupt):
        runtimes.made(entries, part=part, trial=first)
    with part.open("a") as file:
        file.write('[{}, "cbam", {"torch')  # torn by a loss of power
    assert set(runtimes.made(entries, part=part, trial=second).modules) == {"se", "eca", "cbam"}
    assert (first.asked, second.asked) == (["se", "eca"], ["cbam"])
    other = json.loads(part.read_text().splitlines()[0])
    other[0]["torch"] = "0.1"
    part.write_text(json.dumps(other) + "\n")  # of other libraries: no longer true
    third = _Told()
    runtimes.made(entries[:1], part=part, trial=third)
    assert third.asked == ["se"]


def _misbehaves(key, names):
    for name in names:
        if key == name == "hangs":
            time.sleep(60)
        if key == name == "dies":
            os._exit(1)
        yield name, YES


def test_one_that_hangs_or_dies_costs_its_own_answer_alone():
    with Trial(1.0, _misbehaves) as trial:
        hung = trial.answers("hangs", ["first", "hangs"])
        died = trial.answers("dies", ["first", "dies"])
    assert hung == {"first": YES, "hangs": "does not end within 1 s"}
    assert died == {"first": YES, "dies": "ends the process that tries it"}


def test_the_command_writes_what_is_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runtimes, "Trial", _Told)
    out = tmp_path / "out.json"
    assert main(["modules", "se", "--runtimes", "-o", str(out), "--json"]) == 0
    data = json.loads(out.read_text())
    assert data == json.loads(capsys.readouterr().out)
    assert set(data["modules"]) == {"se"}
    assert data["made_with"] == libraries_here()
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert main(["modules", "se", "--runtimes"]) == 0
    assert "module" in capsys.readouterr().out
