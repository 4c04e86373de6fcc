"""The script for machines without torch: complete, alone, and of one mind with the search."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from plugnas.nas.cli import main
from plugnas.nas.job import config as jobs
from plugnas.nas.latency import (
    ForeignTableError,
    LatencyError,
    LatencyTable,
    Settings,
    as_script,
    measure,
    provide_table,
    session,
    standalone,
)
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.latency.pieces import key_of, pieces_of_space
from plugnas.nas.latency.protocol import Sample
from plugnas.space import SearchSpace

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SPACE = {
    "stem": {"width": 4},
    "stages": [{"width": 4, "depth": 1, "stride": 2}],
    "slots": {
        "operator": ["conv"],
        "attention": ["none", "se", "eca"],
        "fusion": ["add"],
        "activation": {"choices": ["relu"], "scope": "network"},
    },
}


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_config(
        jobs.parse({"data": "digits", "space": SPACE}).space, (1, 8, 8), 10
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the command writes."""
    home = tmp_path_factory.mktemp("script")
    (home / "job.yaml").write_text(json.dumps({"data": "digits", "space": SPACE}))
    argv = ["latency", "--as-script", str(home / "out"), str(home / "job.yaml"), "--rounds", "2"]
    assert main(argv) == 0
    return home / "out"


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def _run(folder, *argv):
    """Run the script as its user does, with no package but those of its interpreter."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-I", "time_pieces.py", *argv], cwd=folder, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_script_needs_nothing_but_onnxruntime_and_numpy():
    tree = ast.parse(as_script.script())
    found = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    }
    assert found - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}
    compile(as_script.script(), "time_pieces.py", "exec")


def test_its_table_is_taken_by_a_search(folder, space, tmp_path):
    done = _run(folder, "-o", str(tmp_path / "table.json"), "--limit", "1e9", "--name", "a board")
    assert done.returncode == 0, done.stderr
    assert "whole networks predicted with a mean error of" in done.stdout
    table = LatencyTable.load(tmp_path / "table.json")
    assert table.entries.keys() == {key_of(p) for p in pieces_of_space(space, 99).values()}
    assert all(ms >= 0 and error >= 0 for ms, error in table.entries.values())
    assert (table.rounds, table.conditions.device_name) == (2, "a board")
    assert not table.is_of_this_machine
    wishes = LatencyConfig(table="table.json", runtime="onnxruntime")
    assert provide_table(wishes, space, tmp_path) == table
    with pytest.raises(ForeignTableError, match="holds for the runtime"):
        provide_table(LatencyConfig(table="table.json"), space, tmp_path)


def test_on_the_same_milliseconds_script_and_search_make_the_same_table(
    folder, space, monkeypatch, tmp_path
):
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path))

    def constant(key):
        ms = 0.1 + (sum(key.encode()) % 97) / 50
        return lambda: Sample(ms, ms)

    monkeypatch.setattr(standalone, "timer", lambda folder, one, listed: constant(one["key"]))
    monkeypatch.setattr(
        session, "deploy_timers", lambda wanted, conditions: [constant(w.name) for w in wanted]
    )
    empty = constant("an empty module")
    monkeypatch.setattr(session, "bare_timers", lambda conditions: (empty, empty))
    names = [one["key"] for one in json.loads((folder / "pieces.json").read_text())["anchors"]]
    for module in (session, measure):
        monkeypatch.setattr(module, "anchor_timers", lambda conditions: list(map(constant, names)))
    settings = Settings(runtime="onnxruntime", rounds=2, limit=1e9)
    own = measure.measure_table(space, settings)
    other = standalone.measured(folder, None, 1e9, None)
    assert own.is_of_this_machine
    assert other["conditions"] == own.conditions.to_dict()
    assert other["fingerprint"] == own.fingerprint
    rows = {(key, tuple(map(tuple, shapes))): ms for key, shapes, ms, _ in other["pieces"]}
    assert rows == pytest.approx({key: ms for key, (ms, _) in own.entries.items()})
    assert other["overhead_ms"] == pytest.approx(own.overhead_ms)
    for name in ("mean_error", "sums_error", "measured_ms", "predicted_ms"):
        assert other["check"][name] == pytest.approx(own.check[name])


def test_what_is_missing_or_was_changed_is_said(copy):
    graph = copy / "graphs" / "piece00000.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    done = _run(copy)
    assert done.returncode == 2
    assert "piece00000.onnx is not the file that was exported: copy the folder again" in done.stderr
    graph.unlink()
    assert "cannot be read (No such file or directory)" in _run(copy).stderr
    listed = json.loads((copy / "pieces.json").read_text())
    (copy / "pieces.json").write_text(json.dumps({**listed, "pieces": listed["pieces"][1:]}))
    assert "is not the list of this script" in _run(copy).stderr
    (copy / "pieces.json").unlink()
    assert "copy the whole folder, not the script alone" in _run(copy).stderr
    assert not (copy / "table.json").exists()


def test_a_machine_that_is_too_busy_writes_no_table(folder, monkeypatch):
    with pytest.raises(standalone.ScriptError, match="--limit 1 takes the machine as it is"):
        standalone.measured(folder, 2, 1e-12, None)


def test_a_table_of_which_pieces_were_taken_is_refused(folder, tmp_path):
    assert _run(folder, "-o", str(tmp_path / "table.json"), "--limit", "1e9").returncode == 0
    data = json.loads((tmp_path / "table.json").read_text())
    (tmp_path / "table.json").write_text(json.dumps({**data, "pieces": data["pieces"][1:]}))
    with pytest.raises(ForeignTableError, match="not those of its fingerprint"):
        LatencyTable.load(tmp_path / "table.json")


def test_another_runtime_or_a_folder_of_the_user_s_is_refused(space, tmp_path):
    with pytest.raises(LatencyError, match="times in onnxruntime"):
        as_script.write_script(space, tmp_path / "out", Settings())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(LatencyError, match=r"holds no time_pieces\.py"):
        as_script.write_script(space, tmp_path / "mine", Settings(runtime="onnxruntime"))
    assert os.listdir(tmp_path) == ["mine"]
    assert np.array_equal(os.listdir(tmp_path / "mine"), ["thesis.txt"])
