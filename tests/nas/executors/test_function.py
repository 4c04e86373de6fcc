"""A job's own training function: what it is told, what it returns, and how it may fail."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest
from torch import nn

from plugnas.modules import PlugnasError
from plugnas.nas.confirm import confirm
from plugnas.nas.data import DataSpec
from plugnas.nas.executors import function
from plugnas.nas.executors.function import OwnTraining
from plugnas.nas.executors.measure import data_of
from plugnas.nas.job.config import load, parse
from plugnas.nas.job_run import run_job
from plugnas.nas.run.view import open_run
from tests.nas.runs import study

EXAMPLES = Path(__file__).parents[3] / "experiments" / "examples"
SPACE = {"stages": [{"width": [4, 5, 6, 8]}], "slots": {"attention": ["none", "se"]}}
FILE = """
import torch

def train(network, context):
    for epoch in range(context.budget):
        context.report(epoch + 1, loss=1 / (epoch + 1))
    out = network(torch.zeros(2, 3, 8, 10, device=context.device))
    assert out.shape == (2, 3) and context.dataset is None
    return {"map50": 0.1 * context.budget + context.final, "rung": context.rung,
            "seed": context.seed, "draw": torch.rand(()).item()}

def text(network, context): return "0.5"
def number_as_text(network, context): return {"map50": "0.5"}
def nan(network, context): return {"map50": float("nan")}
def nothing(network, context): pass
def wrong(network, context): return {"map_50": 0.5}
def several(network, context): return {"map50": torch.zeros(2)}
def fails(network, context): raise KeyError("boxes")
def gpu(network, context): raise RuntimeError("No CUDA GPUs are available")
def one(network): return {"map50": 1.0}
number = 3
"""


def job_of(function="train", **changes):
    return parse(
        {
            "space": SPACE, "evaluate": f"own.py:{function}", "input": [3, 8, 10], "classes": 3,
            "objectives": {"map50": "max", "flops": "min"}, "trials": 4, "sampler": "random",
            "executor": "serial", "proxy": {"rungs": [{"epochs": 1}, {"epochs": 2}]}, **changes,
        }
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own.py").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize("executor", ["serial", "local"])
def test_a_search_calls_the_function_and_goes_on_later(folder, executor):
    run = functools.partial(run_job, base=folder, run_dir=folder / "run")
    view = run(job_of(executor=executor, workers=1))
    assert [m.reason for m in view.failures] == []
    assert {(m.rung, m.values["rung"], m.values["map50"]) for m in view.measurements} == {
        (0, 0.0, 0.1), (1, 1.0, 0.2),
    }  # fmt: skip
    top = next(m for m in view.measurements if m.rung == 1)
    assert [dict(point) for point in top.curve] == [
        {"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5},
    ]  # fmt: skip
    assert view.metric.name == "map50" and view.front
    more = run(job_of(executor=executor, workers=1, trials=5))
    before = [(m.key, m.values) for m in view.measurements]
    assert [(m.key, m.values) for m in more.measurements[: len(before)]] == before
    assert open_run(folder / "run").front[0].id == more.front[0].id


def test_a_confirmation_is_final_and_keeps_the_weights(folder):
    view = run_job(job_of(), folder, folder / "run")
    found = confirm(view, seeds=2, epochs=3)
    assert found is not None and found.missing == 0
    assert {value for c in found.members for value in c.values} == {1 + 0.1 * 3}
    assert all(c.proxy_again == pytest.approx(0.2) for c in found.members)
    kept = sorted(path.name for path in (folder / "run/confirm").rglob("*.safetensors"))
    assert len(kept) == 2 * len(found.members) and set(kept) == {
        "seed1.safetensors", "seed2.safetensors",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("text", "own.py:text must return a mapping with map50, but returned '0.5'"),
        ("number_as_text", "the value of map50 must be a number, but is '0.5'"),
        ("nan", "diverged: map50 is nan"),
        ("nothing", "must return a mapping with map50, but returned nothing"),
        ("wrong", "must return the objectives map50, but returned map_50; did you mean `map_50`"),
        ("several", "the value of map50 must be a number, but is tensor"),
        ("gpu", "own.py:gpu asks for a GPU, and torch finds none here; `context.device`"),
        ("fails", "raised: KeyError: 'boxes'"),
    ],
)
def test_a_failure_is_measured_as_such(folder, function, reason, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # as on most machines
    view = run_job(job_of(function, trials=1), folder, folder / "run")
    assert view.front == [] and view.failures
    assert all(reason in str(m.reason) for m in view.failures)
    assert all(math.isnan(v) for m in view.failures for v in m.values.values())


@pytest.mark.parametrize(
    ("function", "law"),
    [("trian", "did you mean `train`"), ("one", "two arguments"), ("number", "two arguments")],
)
def test_what_is_no_training_function_is_refused_before_anything_is_written(folder, function, law):
    with pytest.raises(PlugnasError, match=law):
        run_job(job_of(function), folder, folder / "run")
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"input": None}, "`input: \\[3, 64, 64\\]` and `classes: 10`"),
        ({"data": "digits"}, "input: is read from the images"),
        ({"evaluate": None}, "a job needs images|leave them out"),
        ({"objectives": {}}, "name at least one"),
        ({"input": [0, 8, 8]}, r"input\[0\] must be at least 1"),
        ({"classes": 0}, "classes must be at least 1"),
    ],
)
def test_the_job_says_once_what_enters_the_network(changes, law):
    with pytest.raises(PlugnasError, match=law):
        job_of(**changes)


def test_the_function_may_take_the_images_of_the_job(folder, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(folder / "cache"))
    (folder / "own.py").write_text(
        "def train(network, context):\n    return {'map50': len(context.dataset.train)}\n"
    )
    job = job_of(data="digits", input=None, classes=None, trials=1)
    view = run_job(job, folder, folder / "run")
    assert {m.values["map50"] for m in view.measurements} == {1079.0}


def test_the_example_counts_better_than_chance(tmp_path):
    job = load(EXAMPLES / "own_training.yaml")
    changes = {"trials": 4, "executor": "serial", "sampler": "random"}
    view = run_job(parse({**_plain(job), **changes}), EXAMPLES, tmp_path / "run")
    assert view.failures == [] and view.best is not None
    assert view.best["error"] < 1.2  # 1.5 by always answering 2.5


def _plain(job):
    import msgspec

    return {k: v for k, v in msgspec.to_builtins(job).items() if v is not None}


MANNERS = """
import os, sys
import torch
from torch.utils.data import DataLoader

def train(network, context):
    width = context.architecture["stage1.width"]
    print("a line", flush=True)
    print("another", file=sys.stderr)
    if width == 5:
        list(DataLoader(torch.zeros(4, 2), num_workers=1))
    if width == 6:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    if width == 8:
        sys.exit("had enough")
    torch.set_num_threads(3)
    torch.manual_seed(0)
    return {"map50": 0.1 * width, "recall": 1 - 0.1 * width, "other": 7}
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork in a process with threads
def test_a_function_may_print_fork_load_by_processes_and_return_more(folder):
    (folder / "own.py").write_text(MANNERS)
    objectives = {"map50": "max", "recall": "max", "flops": "min"}
    space = {"stages": [{"width": [4, 5, 6, 8]}]}
    more = {"space": space, "executor": "local", "workers": 1, "proxy": {"rungs": [{"epochs": 1}]}}
    view = run_job(job_of(objectives=objectives, **more), folder, folder / "run")
    width = {m.architecture["stage1.width"]: m for m in view.measurements if m.ok}
    assert sorted(width) == [4, 5, 6], [m.reason for m in view.failures]
    assert dict(width[5].values) == pytest.approx({"map50": 0.5, "recall": 0.5, "other": 7.0})
    assert {m.architecture["stage1.width"] for m in view.failures} == {8}
    assert all("had enough" in str(m.reason) for m in view.failures)
    front = {m.architecture["stage1.width"] for m in view.front}
    assert front == {4, 5, 6}  # more precision, less recall


def nothing_built(architecture):
    return nn.Identity()


def test_images_come_along_where_their_files_do_not(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "train.py").write_text(
        "def images(network, context):\n    return {'accuracy': len(context.dataset.images)}\n"
    )
    own = OwnTraining(
        function=f"{tmp_path / 'train.py'}:images", objectives=("accuracy",), rungs=(1,),
        device="cpu", data=DataSpec(source="digits"), build=nothing_built,
    )  # fmt: skip
    carrying = own.carrying_data()
    monkeypatch.setattr(function, "load", None)
    evaluate = carrying()
    assert evaluate(study(trials=1).ask())["values"] == {"accuracy": 1797.0}
    assert data_of(evaluate) == carrying.dataset.fingerprint
