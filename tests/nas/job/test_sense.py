"""Numbers and names that a job cannot mean are refused by every command that reads a job."""

from __future__ import annotations

import pytest
import yaml

from plugnas.modules import PlugnasError
from plugnas.nas.cli import main
from plugnas.nas.job.config import load, parse
from plugnas.nas.job.prepared import prepare

JOB = {"space": {"stages": [{"width": 4}]}, "data": "digits"}


def rungs(*given, **changes):
    return {"proxy": {"rungs": list(given)}, **changes}


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        (rungs({"epochs": 5}, {"epochs": 1}), r"proxy.rungs\[1\] trains less.*reverse them"),
        (rungs({"epochs": 2}, {"epochs": 2}), r"proxy.rungs\[1\] is the same as proxy.rungs\[0\]"),
        (rungs({"freeze": "host"}), r"rungs\[0\].freeze keeps the trained weights of a host"),
        (rungs({"shift": 500}), r"rungs\[0\].shift must be below the 8 pixels.*got 500"),
        (rungs({"shift": 4, "resolution": 4}), "below the 4 pixels"),
        (rungs({"epochs": 1, "signal_epochs": 9}), r"signal_epochs must be at most.*got 9"),
        (rungs({"images": 5}), r"images must be at least 20 .*but got 5"),
        (rungs({"resolution": 1}), "at least 4 pixels, but got 1"),
        ({"space": {"stages": [{"width": 4, "stride": 64}]}}, r"stages\[0\].stride is 64.* 8 pix"),
        ({"space": {"stem": {"stride": 16}, "stages": [{"width": 4}]}}, "stem.stride is 16"),
        ({"space": {"stages": [{"width": 4, "stride": 4}] * 3}}, r"stages\[1\].stride is 4.*2 pi"),
        ({"space": {"stages": [{"width": 4, "depth": [500]}]}}, "from 1 to 64"),
        ({"seeds": 1_000_000_000}, "seeds is how often .* at most 1000"),
        ({"confirm": {"seeds": 1_000_000}}, "confirm.seeds is how often"),
        ({"sampler": "tpee"}, "did you mean `tpe`"),
        ({"sampler": {"name": "random", "options": {"desings": 3}}}, "no option `desings`"),
        ({"device": "gpu"}, "`device` must be auto, cpu"),
        ({"device": "cudaa"}, "did you mean `cuda`"),
        ({"workers": 100_000}, "100000 are too many"),
    ],
)
def test_what_cannot_be_meant(tmp_path, changes, law):
    with pytest.raises(PlugnasError, match=rf"my.yaml: .*{law}"):
        prepare(parse({**JOB, **changes}), tmp_path, where="my.yaml")


def test_what_can_be_meant_is_taken(tmp_path):
    three = [{"zero_cost": "synflow"}, {"epochs": 1, "images": 20}, {"epochs": 1, "shift": 7}]
    stages = [{"width": 4, "stride": 4}, {"width": 4, "stride": 2}, {"width": 4}]
    job = parse({**JOB, **rungs(*three), "space": {"stages": stages}, "device": "cuda:3"})
    assert prepare(job, tmp_path).space.size == 1


@pytest.mark.parametrize("command", ["space", "cost", "search"])
def test_every_command_checks_the_whole_job(tmp_path, capsys, command):
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump({**JOB, "sampler": "tpee"}))
    assert main([command, str(job)]) == 2
    assert "did you mean `tpe`" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["trials: 010", "budget: {flops: 2:30}", "seed: -07"])
def test_numbers_that_yaml_reads_as_others(tmp_path, text):
    job = tmp_path / "job.yaml"
    job.write_text(f"space: {{stages: [{{width: 4}}]}}\n{text}\n")
    with pytest.raises(PlugnasError, match=r"read as another number.*\(line 2, column"):
        load(job)


def test_a_limit_of_latency_errors_is_positive(tmp_path, capsys):
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump(JOB))
    assert main(["latency", str(job), "--sample", "1", "--limit", "-1"]) == 2
    assert "above 0, such as 0.05, but got -1" in capsys.readouterr().err
