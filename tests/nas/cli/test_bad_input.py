"""What a user gets wrong: one paragraph, exit code 2, nothing written, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of the job that is through, for tests of what is done with one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(there := tmp_path_factory.mktemp("finished"))
        patch.setenv("PLUGNAS_CACHE", str(there / "cache"))
        assert main(["search", write({}), "--run-dir", "mine"]) == 0
    return there / "mine"


@pytest.fixture
def mine(folder, finished):
    shutil.copytree(finished, folder / "mine")
    return "mine"


def write(changes, name="job.yaml"):
    Path(name).write_text(yaml.safe_dump({**JOB, **changes}))
    return name


def refused(capsys, *argv):
    """Run a command that must be refused; return its one paragraph."""
    assert main([str(a) for a in argv]) == 2
    text = capsys.readouterr().err
    lines = [line for line in text.strip().splitlines() if line.startswith("nas: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    assert not Path("runs").exists()
    return lines[0]


def space(**changes):
    return {"space": {**JOB["space"], **changes}}


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"trails": 3}, "job.yaml: top level: unknown key `trails`; did you mean `trials`"),
        (
            space(slots={"attention": ["cbm"]}),
            "job.yaml: space.slots.attention[0]: no module `cbm` in the zoo; did you mean `cbam`",
        ),
        (space(slots={"attention": [{"se": {"reduction": 5}}]}), "must be one of 4, 8, 16"),
        (space(slots={"attention": ["cru"]}, stages=[{"width": 1}]), "refuses every one"),
        (space(slots={"attention": {"family": "channel"}}), "write [{family: ...}]"),
        ({"sampler": {"name": "random", "options": {"desings": 3}}}, "no option `desings`"),
        ({"budget": {"flops": 10}}, "the cheapest has flops ="),
        ({"budget": {"latency": 10}}, "`latency` is no cost"),
        ({"sampler": "predictr"}, "did you mean `predictor`"),
        ({"data": "nowhere/images"}, "nowhere/images"),
        ({"data": "mnits"}, "mnits"),
        ({"device": "cuda:7"}, "cuda:7"),
        ({"proxy": {"rungs": [{"epochs": 0}]}}, "epochs"),
        ({"proxy": {"rungs": [{"epoch": 1}]}}, "did you mean `epochs`"),
    ],
)
def test_a_job_that_cannot_be(folder, capsys, changes, law):
    assert law in refused(capsys, "search", write(changes))


def test_a_missing_job(folder, capsys):
    write({}, "digits.yaml")
    assert "did you mean `digits.yaml`" in refused(capsys, "search", "digit.yaml")


def test_yaml_that_is_none(folder, capsys):
    Path("job.yaml").write_text("space: [")
    assert "not valid YAML" in refused(capsys, "search", "job.yaml")


def image(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)


def test_image_folders(folder, capsys):
    Path("empty").mkdir()
    assert "empty" in refused(capsys, "search", write({"data": "empty"}))
    for i in range(4):
        image(Path(f"one/cats/{i}.png"), i)
    assert "class" in refused(capsys, "search", write({"data": "one"}))
    (Path("none") / "cats").mkdir(parents=True)
    (Path("none") / "dogs").mkdir()
    assert "none" in refused(capsys, "search", write({"data": "none"}))


def test_a_broken_image_is_named_and_the_search_goes_on(folder, capsys):
    for i in range(20):
        image(Path(f"pets/{'cats' if i % 2 else 'dogs'}/{i}.png"), i)
    Path("pets/cats/broken.png").write_bytes(b"no image")
    assert main(["search", write({"data": "pets"})]) == 0
    assert "broken.png" in capsys.readouterr().err


def test_a_run_directory_of_another_job(mine, capsys):
    assert main(["search", "mine"]) == 0  # a run goes on by the job that it keeps
    assert "nothing was left to do" in capsys.readouterr().out
    assert "goes on in its own directory" in refused(capsys, "search", "mine", "--run-dir", "x")
    kept = Path("mine/ledger.jsonl").read_bytes()
    other = write({"proxy": {"rungs": [{"epochs": 2, "images": 64}]}}, "other.yaml")
    text = refused(capsys, "search", other, "--run-dir", "mine")
    assert "another job" in text
    assert "--run-dir" in text
    assert Path("mine/ledger.jsonl").read_bytes() == kept


def test_a_run_whose_ledger_is_gone_is_begun_anew_and_says_so(mine, capsys):
    Path("mine/ledger.jsonl").unlink()
    assert main(["search", write({}), "--run-dir", "mine"]) == 0
    assert "no ledger.jsonl: what that run measured is not known" in capsys.readouterr().err


def test_a_directory_that_is_no_run(folder, capsys):
    Path("papers").mkdir()
    Path("papers/thesis.txt").write_text("mine")
    assert "no run directory" in refused(capsys, "search", write({}), "--run-dir", "papers")
    assert "no run directory" in refused(capsys, "front", "papers")
    assert "no run directory" in refused(capsys, "front", "paper")
    assert [p.name for p in Path("papers").iterdir()] == ["thesis.txt"]


def test_no_permission(folder, capsys):
    Path("file").write_text("in the way")  # root may write anywhere, but not below a file
    refused(capsys, "search", write({}), "--run-dir", "file/run")


def test_picks_and_words(mine, capsys):
    assert "is no pick" in refused(capsys, "export", "mine", "--pick", "kne")
    assert "did you mean `flops`" in refused(capsys, "front", "mine", "--x", "flop")
    assert "flops=5M" in refused(capsys, "front", "mine", "--budget", "flops")
    assert "did you mean `cbam`" in refused(capsys, "modules", "cbm")
    assert "CxHxW" in refused(capsys, "modules", "--site", "64")


WIDE = {
    "stem": {"width": 4},
    "stages": [{"width": [4, 6, 8, 10]}, {"width": [4, 6, 8, 10], "depth": [1, 2]}],
    "slots": {"attention": ["none", "se", "eca", "simam"], "operator": ["conv", "ghost"]},
}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_loses_nothing(folder, capsys):
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        run = disk / "run"
        assert main(["search", write({"trials": 400, "space": WIDE}), "--run-dir", str(run)]) == 2
        assert "recorded" in capsys.readouterr().err
        lines = (run / "ledger.jsonl").read_text().splitlines()
        assert len(lines) > 2
        assert all(line.endswith("}") for line in lines)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_the_command_to_go_on_keeps_every_option_and_quotes_odd_names(folder, capsys):
    Path("ein dir").mkdir()
    job = write({"trials": 3}, "ein dir/jöb.yaml")
    argv = ["search", job, "--run-dir", "a b", "--timeout", "1e-9", "--seed", "4"]
    assert main(argv) == 0
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.endswith("nas search 'ein dir/jöb.yaml' --run-dir 'a b' --timeout 1e-09 --seed 4")


def test_a_cost_range_needs_a_sample(folder, capsys):
    assert "--samples" in refused(capsys, "space", write({}), "--samples", 0)


def test_another_job_is_named_by_the_place_where_it_differs(mine, capsys):
    other = write({"proxy": {"rungs": [{"epochs": 2, "images": 64}]}}, "other.yaml")
    text = refused(capsys, "search", other, "--run-dir", mine)
    assert "its `proxy.rungs[0].epochs` is 1, this job's is 2" in text


def test_what_is_mistyped_on_a_run(mine, capsys):
    write({})
    kept = Path("mine/ledger.jsonl").read_bytes()
    for law, *argv in (
        ("is a folder; name a YAML file", "search", "."),
        ("did you mean `mine`", "status", "min"),
        ("no search has begun there", "status", "job.yaml"),
        ("two limits of flops", "front", "mine", "--budget", "flops=2M", "--budget", "flops=1M"),
        ("did you mean `attention`", "explain", "mine", "--settle", "atention"),
        ("--trials must be at least 1", "explain", "mine", "--settle", "attention", "--trials", 0),
        ("but --trials is 3", "explain", "mine", "--settle", "attention", "--trials", 3),
        ("--settle SLOT runs", "explain", "mine", "--seeds", 2),
        ("fractions: 0.98?", "export", "mine", "--pick", "smallest:98"),
        ("nothing has flops <= 10", "export", "mine", "--pick", "flops <= 10"),
        ("did you mean `smallest`", "cost", "job.yaml", "--architecture", "smalest"),
        ("cannot be read", "cost", "job.yaml", "--architecture", "none.json"),
        ("no module ``", "modules", ""),
        ("cannot be written", "export", "mine", "--to", "job.yaml/x"),
        ("is no export", "import", "mine"),
    ):  # fmt: skip
        assert law in refused(capsys, *argv), argv
    assert Path("mine/ledger.jsonl").read_bytes() == kept


def test_an_empty_front_says_why(mine, capsys):
    assert main(["front", "mine", "--budget", "flops=10"]) == 0
    out = capsys.readouterr().out
    assert "none of the 2 architectures at the highest rung is within flops <= 10" in out
    assert "(the least there is: flops " in out


def test_a_search_that_has_its_trials_says_so(folder, capsys):
    job = write({})
    assert main(["search", job, "--run-dir", "mine"]) == 0
    said = capsys.readouterr()
    assert "nothing was left" not in said.out and "begins anew" not in said.err
    assert main(["search", job, "--run-dir", "mine"]) == 0
    assert "the run has 2 architectures; --trials N adds more" in capsys.readouterr().out


def test_a_slip_in_the_number_of_workers(folder, capsys):
    job = write({"executor": "local"})
    assert "100000 are too many" in refused(capsys, "search", job, "--workers", 100000)


def test_versions(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("plugnas ")


def test_binary_and_empty_jobs(folder, capsys):
    Path("job.yaml").write_bytes(b"\xff\xfe\x00")
    assert "it is no text" in refused(capsys, "search", "job.yaml")
    Path("job.yaml").write_text("")
    assert "a job is a mapping" in refused(capsys, "search", "job.yaml")


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("trials: 3\ntrials: 4\n", "the key `trials` is given twice (line 2, column 1)"),
        ("space: [a,\n", "while parsing a flow"),
        ("? [a, b]\n: 1\n", "a key must be a word (line 1, column 3)"),
        ("a: 1\n---\nb: 2\n", "another document (line 2, column 1)"),
        ("[" * 5000, "nested too deeply"),
        ("a: &x [*x]\n", "not valid YAML: with its aliases"),
        ("a: !!python/name:os.system\n", "could not determine a constructor"),
    ],
)
def test_broken_yaml_is_one_line_with_its_place(folder, capsys, text, law):
    Path("job.yaml").write_text(text)
    line = refused(capsys, "search", "job.yaml")
    assert law in line
    assert "unicode string" not in line


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        (space(stages=[{"width": 4, "depth": 100000}]), "depth: numbers from 1 to 64"),
        (space(stages=[{"width": 10**12}]), "width: numbers from 1 to 65536"),
        ({"budget": {"flops": float("inf")}}, "budget.flops must be a number above 0"),
        ({"device": "tpu"}, "`device` must be auto, cpu or cuda"),
    ],
)
def test_numbers_and_names_out_of_range_name_the_file(folder, capsys, changes, law):
    assert f"nas: {(job := write(changes))}: " in (text := refused(capsys, "search", job))
    assert law in text


def test_places_that_cannot_be_written_are_refused_before_anything_is_measured(mine, capsys):
    job = write({})
    Path("file").write_text("in the way")
    Path("shelf").mkdir()
    for output, reason in (("file/x.json", "is no folder"), ("shelf", "is a folder")):
        text = refused(capsys, "latency", job, "--sample", "1", "-o", output)
        assert f"-o {output} cannot be written" in text
        assert reason in text
        assert "waiting" not in text
    assert "file is no folder" in refused(capsys, "export", "mine", "--train", "--to", "file/x")


def test_a_run_that_belongs_to_somebody_else(mine, capsys, monkeypatch):
    monkeypatch.setattr(
        "plugnas.nas.report.files.unwritable", lambda path: f"{path} is not writable"
    )
    assert "--json and --csv print the front" in refused(capsys, "front", "mine")
    assert not Path("mine/front.csv").exists()


def test_a_training_that_diverged_is_told_and_is_no_failure_of_the_program(folder, capsys):
    name = write({"proxy": {"rungs": [{"epochs": 1, "images": 64, "learning_rate": 1e30}]}})
    assert main(["search", name]) == 0
    assert "diverged" in capsys.readouterr().out
