"""``nas cost`` and ``nas latency`` as a user runs them, on a small job."""

import json

import pytest

from plugnas.nas.cli import main
from plugnas.nas.latency import LatencyTable

JOB = """
data: digits
space:
  stem: {width: 8}
  stages:
    - {width: [8, 12], depth: [1, 2]}
  slots:
    operator: [conv]
    attention: [none, se]
    fusion: [add]
    activation: {choices: [relu], scope: network}
  context: [none]
  pooling: [gap]
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path))
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


def _json(capsys, *argv):
    assert main([str(word) for word in argv]) == 0
    return json.loads(capsys.readouterr().out)


def test_cost_part_by_part(job, capsys):
    data = _json(capsys, "cost", job, "--architecture", "largest", "--json")
    assert data["values"]["stage1.width"] == 12
    assert data["values"]["stage1.depth"] == 2
    assert [part["position"] for part in data["parts"]][:2] == ["stem", "stage1.block1"]
    for name in ("params", "macs", "flops", "elementwise"):
        assert data["costs"][name] == sum(part[name] for part in data["parts"])
    small = _json(capsys, "cost", job, "--architecture", "smallest", "--json")
    assert small["costs"]["flops"] < data["costs"]["flops"]
    assert main(["cost", str(job), "--architecture", "largest"]) == 0
    text = capsys.readouterr().out
    assert f"{data['costs']['macs']:,.0f}" in text
    assert "1 MAC = 1 multiply-accumulate" in text


def test_cost_of_a_json_file(job, tmp_path, capsys):
    chosen = _json(capsys, "cost", job, "--architecture", "random:3", "--json")
    for name, content in (("values.json", chosen["values"]), ("whole.json", chosen)):
        (tmp_path / name).write_text(json.dumps(content))
        again = _json(capsys, "cost", job, "--architecture", tmp_path / name, "--json")
        assert again == chosen


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("not json", "no JSON file"),
        ("[1]", "Expected `object`, got `array`"),
        ('{"stage1.widht": 8}', "did you mean `stage1.width`"),
    ],
)
def test_a_file_that_is_no_architecture(text, reason, job, tmp_path, capsys):
    path = tmp_path / "architecture.json"
    if text is not None:
        path.write_text(text)
    assert main(["cost", str(job), "--architecture", str(path)]) == 2
    assert reason in capsys.readouterr().err


def test_a_word_that_names_nothing(job, capsys):
    assert main(["cost", str(job), "--architecture", "abc"]) == 2
    assert "ids belong to a run" in capsys.readouterr().err


def test_latency_of_architectures(job, tmp_path, capsys):
    out = tmp_path / "out" / "latency.json"
    argv = ["--architecture", "largest", "--architecture", "smallest", "--rounds", "3"]
    data = _json(capsys, "latency", job, *argv, "--limit", "9", "--json", "-o", out)
    assert len(data["figures"]) == 2
    assert data["conditions"]["threads"] == 1
    assert json.loads(out.read_text()) == data
    assert main(["latency", str(job), "--sample", "2", "--rounds", "3", "--limit", "1e-9"]) == 2
    assert "NOT RANKED" in capsys.readouterr().out


def test_a_table_is_measured_extended_and_used(job, tmp_path, capsys):
    path = tmp_path / "pi.json"
    argv = ["--table", str(job), "-o", str(path), "--rounds", "3", "--limit", "9"]
    assert main(["latency", *argv]) == 0
    assert "Kendall tau" in capsys.readouterr().out
    table = LatencyTable.load(path)
    job.write_text(job.read_text().replace("[none, se]", "[none, se, eca]"))
    assert main(["latency", *argv, "--extend", str(path)]) == 0
    assert len(LatencyTable.load(path).entries) > len(table.entries)
    job.write_text(job.read_text() + "latency: {table: pi.json}\n")
    capsys.readouterr()
    data = _json(capsys, "cost", job, "--json")
    assert data["costs"]["latency_ms"] > 0


def test_latency_in_bad_hands(job, capsys):
    assert main(["latency", "--table", str(job)]) == 2
    assert "-o FILE" in capsys.readouterr().err
    assert main(["latency", str(job), "--device", "cuda:99"]) == 2
    assert "is not there" in capsys.readouterr().err
