"""`nas space`: what a job's space holds, and whether its budget can be met."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from plugnas.nas.cli import main

JOB = {
    "data": "digits",
    "space": {
        "stem": {"width": 4},
        "stages": [{"width": [4, 8]}],
        "slots": {"attention": ["none", "se"]},
    },
    "proxy": {"rungs": [{"epochs": 1, "images": 64}]},
    "trials": 2,
    "sampler": "random",
    "executor": "serial",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def write(**changes):
    Path("job.yaml").write_text(yaml.safe_dump({**JOB, **changes}))
    return "job.yaml"


def test_a_budget_out_of_reach_is_an_error_that_names_the_cheapest(capsys):
    assert main(["space", write(budget={"flops": 10, "params": "1M"})]) == 2
    out, err = capsys.readouterr()
    assert "none of them, nor anything that a search for it finds" in out
    assert "  stage1.width 4" in out
    assert err.startswith("nas: no architecture found meets the budget flops <= 10")
    assert "the cheapest has flops =" in err
    assert main(["space", "job.yaml", "--json"]) == 2
    data = json.loads(capsys.readouterr().out)
    assert data["within_budget"] == 0
    assert data["cheapest"]["costs"]["flops"] == data["costs"]["flops"]["least"]
    assert data["cheapest"]["architecture"]["stage1.width"] == 4


def test_a_budget_that_no_sample_meets_but_something_does(capsys):
    assert main(["space", write(), "--json"]) == 0
    least = json.loads(capsys.readouterr().out)["costs"]["flops"]["least"]
    stages = [{"width": [4, 32, 48, 64, 80, 96], "depth": [1, 2, 3, 4]}] * 3
    wide = {**JOB["space"], "stages": stages}
    argv = ["space", write(space=wide), "--samples", "5", "--json"]
    assert main(argv) == 0
    lowest = json.loads(capsys.readouterr().out)["costs"]["flops"]["least"]
    assert lowest > least
    write(space=wide, budget={"flops": lowest})
    assert main(argv) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["within_budget"] == 0
    assert data["cheapest"]["costs"]["flops"] == lowest
    assert data["refused"] is None


def test_a_run_directory_shows_the_space_it_searched(capsys):
    assert main(["search", write(), "--run-dir", "mine"]) == 0
    capsys.readouterr()
    assert main(["space", "job.yaml", "--json"]) == 0
    of_job = json.loads(capsys.readouterr().out)
    assert main(["space", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == of_job
    assert main(["space", "."]) == 2
    assert "no run directory" in capsys.readouterr().err


def test_a_latency_budget_is_not_known_yet(capsys):
    job = write(budget={"latency_ms": 4, "flops": "2M"}, latency={"rounds": 3})
    assert main(["space", job]) == 0
    out = capsys.readouterr().out
    assert "latency_ms: known once measured" in out
    assert "within the budget flops <= 2M: 100.0 %" in out
