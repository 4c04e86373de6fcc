"""`nas sites`, and a search in a host from its job to a front read without the host's code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from plugnas.nas.cli import main

NETWORK = """
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.body = nn.Conv2d(4, 8, 3, padding=1)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def pair():
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), x
    return Pair()
"""
JOB = {
    "data": "digits",
    "space": {
        "host": {"model": "net.py:Net", "arguments": {"num_classes": 7}},
        "sites": [
            {"after": "stem", "slot": "attention", "choices": ["none", "se"]},
            {"replace": "body", "slot": "operator", "choices": ["keep", "do_conv", "involution"]},
        ],
    },
    "budget": {"flops": "host + 20%"},
    "proxy": {"rungs": [{"epochs": 1, "images": 64, "validation_images": 64}]},
    "trials": 3,
    "sampler": "random",
    "executor": "serial",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    Path("net.py").write_text(NETWORK)
    Path("job.yaml").write_text(yaml.safe_dump(JOB))


def test_a_network_is_shown_as_its_own_tree(capsys):
    assert main(["sites", "net.py:Net", "--input", "1x8x8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "net.py:Net on 1x8x8: 5 sites; returns 10"
    table = {line.split()[0]: line for line in lines[3:8]}
    assert list(table) == ["stem", "stem.0", "stem.1", "stem.2", "body"]
    assert "conv 1 -> 4 3x3 stride 2" in table["stem.0"] and "kept by" in table["body"]
    assert "no sites (1):" in lines
    assert main(["sites", "net.py:Net", "--input", "1x8x8", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["sites"][4]["replace"] == ["operator"]
    assert "do_conv" in data["sites"][4]["weights_kept_by"]


def test_a_job_shows_its_sites_and_whose_weights_are_lost(capsys):
    assert main(["sites", "job.yaml"]) == 0
    out = capsys.readouterr().out
    assert "the classifier `head` makes 7 classes and 10 are needed" in out
    assert "after.stem.attention: none, se" in out
    assert "involution: weights are lost (" in out and "do_conv: weights" not in out


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (["net.py:Nett", "--input", "1x8x8"], "did you mean `Net`"),
        (["net.py:Net", "--input", "8x8"], "--input is C x H x W"),
        (["net.py:Net"], "does not run on images of 3x224x224"),
        (["job.yaml", "--input", "1x8x8"], "a job has the size of its own images"),
        (["jobb.yaml"], "did you mean `job.yaml`"),
    ],
)
def test_wrong_targets_are_one_sentence(target, words, capsys):
    assert main(["sites", *target]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1 and not captured.out


def test_a_search_in_a_host_is_read_without_its_code(capsys):
    assert main(["search", "job.yaml", "--run-dir", "run"]) == 0
    Path("net.py").unlink()
    capsys.readouterr()
    for command in ("status", "front", "sites", "space"):
        assert main([command, "run"]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "stem+se" in out or "the host unchanged" in out or "body=" in out
    assert "start=identity" not in out


def test_a_host_that_returns_no_classes_is_one_sentence(capsys):
    changed = {**JOB, "space": {**JOB["space"], "host": {"model": "net.py:pair"}}}
    Path("job.yaml").write_text(yaml.safe_dump(changed))
    assert main(["search", "job.yaml", "--run-dir", "run"]) == 2
    assert "net.py:pair returns a tuple, and the proxy trains" in capsys.readouterr().err
