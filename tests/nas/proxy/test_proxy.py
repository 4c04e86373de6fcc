"""The evaluator of a job: from task to values, in this process and from a pickle."""

import gc
import itertools
import json
import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from plugnas.nas.data import DataSpec
from plugnas.nas.executors.measure import measure
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.machine.device import give_memory_back, keep_memory
from plugnas.nas.proxy import Proxy, Recipe, RecipeError, default_rungs
from plugnas.nas.proxy.defaults import confirmation_of
from plugnas.space import SearchSpace

SPACE = {
    "stem": {"width": 8},
    "stages": [{"width": [8, 16], "depth": [1]}, {"width": [16], "depth": [1], "stride": 2}],
    "slots": {"operator": ["conv", "depthwise_separable"], "attention": ["none", "se"]},
    "pooling": ["gap"],
}
RUNGS = tuple(
    Recipe(epochs=epochs, images=200, schedule="trapezoid", validation_images=100)
    for epochs in (2, 5)
)


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_config(SPACE, (1, 8, 8), 10)


@pytest.fixture
def architecture(space):
    return space.sample(np.random.default_rng(0))


def _proxy(tmp_path, **changes):
    settings = {"data": "digits", "rungs": RUNGS, "cache": str(tmp_path / "c")}
    return Proxy(**{**settings, **changes})


def test_a_task_becomes_values(tmp_path, architecture):
    result = _proxy(tmp_path)()(Task(0, architecture, rung=0, seed=0))
    assert 0 < result["values"]["accuracy"] <= 1
    assert len(result["curve"]) == 2 and result["signal"] < 0
    assert result["signal"] == -result["curve"][-1]["train_loss"]
    assert result["cpu_seconds"] > 0 and result["extra"]["epochs_reused"] == 0
    json.dumps(result)


def test_another_process_gets_the_same(tmp_path, architecture):
    """A worker elsewhere, from the pickle, its working directory another."""
    proxy = pickle.dumps(_proxy(tmp_path).settled())
    (tmp_path / "proxy.pickle").write_bytes(proxy)
    values = json.dumps(dict(architecture.values))
    code = (
        "import json, pickle\n"
        "from plugnas.space import Architecture\n"
        "from plugnas.nas.ledger.measurement import Task\n"
        f"proxy = pickle.load(open({str(tmp_path / 'proxy.pickle')!r}, 'rb'))\n"
        f"a = Architecture(json.loads({values!r}))\n"
        "print(json.dumps(proxy()(Task(7, a, rung=1, seed=4))))\n"
    )
    root = Path(__file__).resolve().parents[3]
    env = {**os.environ, "PYTHONPATH": str(root)}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = json.loads(run.stdout)
    ours = _proxy(tmp_path)()(Task(0, architecture, rung=1, seed=4))
    assert theirs["values"] == ours["values"] and theirs["signal"] == ours["signal"]


def test_a_promoted_training_goes_on_and_ends_the_same(tmp_path, architecture):
    states = tmp_path / "states"
    evaluate = _proxy(tmp_path, states=str(states))()
    evaluate(Task(0, architecture, rung=0, seed=1))
    assert len(list(states.iterdir())) == 1
    promoted = evaluate(Task(1, architecture, rung=1, seed=1))
    assert promoted["extra"]["epochs_reused"] > 1
    assert not list(states.iterdir())  # nothing can go on from the last rung
    plain = _proxy(tmp_path)()(Task(1, architecture, rung=1, seed=1))
    assert promoted["values"] == plain["values"] and promoted["curve"] == plain["curve"]
    other = evaluate(Task(2, architecture, rung=1, seed=2))
    assert other["extra"]["epochs_reused"] == 0


def test_a_state_is_bound_to_its_images(tmp_path, architecture):
    states = str(tmp_path / "states")
    _proxy(tmp_path, states=states)()(Task(0, architecture, rung=0))
    other = _proxy(tmp_path, states=states, data={"source": "digits", "seed": 1})()
    assert other(Task(1, architecture, rung=1))["extra"]["epochs_reused"] == 0


@pytest.mark.parametrize("score", ["synflow", "naswot", "grad_norm"])
def test_a_rung_can_be_a_score_of_the_untrained_network(tmp_path, architecture, score):
    rungs = (Recipe(zero_cost=score), *RUNGS)
    evaluate = _proxy(tmp_path, rungs=rungs)()
    first, again = (evaluate(Task(n, architecture, rung=0, seed=3)) for n in range(2))
    assert math.isfinite(first["values"][score])
    assert first["values"] == again["values"] and first["signal"] == first["values"][score]


def _exploding(architecture):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        network[1].weight.fill_(1e38)
    return network


def test_divergence_reaches_the_measurement_with_its_reason(tmp_path, architecture):
    evaluate = _proxy(tmp_path, build=_exploding)()
    measurement = measure(Task(0, architecture), evaluate)
    assert measurement.status == "failed"
    assert measurement.reason.startswith("diverged: the training loss was no finite number")


def test_what_cannot_be_is_said_at_the_start(tmp_path, architecture):
    with pytest.raises(RecipeError, match="above the 8 pixels"):
        _proxy(tmp_path, rungs=(Recipe(resolution=32),))()
    with pytest.raises(RecipeError, match="asks for rung 2"):
        _proxy(tmp_path)()(Task(0, architecture, rung=2))


def test_settling_decides_what_a_worker_could_not(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    settled = _proxy(tmp_path, data={"source": "images"}).settled()
    assert isinstance(settled.data, DataSpec)
    assert settled.data.source == str(tmp_path / "images")
    assert settled.device in ("cpu", "cuda") and settled.precision in ("float32", "bfloat16")
    assert settled.settled() == settled


def test_defaults_fit_their_images(digits):
    rungs = default_rungs(digits)
    assert all(a.begins_like(b) for a, b in itertools.pairwise(rungs))
    assert (
        confirmation_of(digits.input_shape, len(digits.train) + len(digits.validation)).epochs
        > rungs[-1].epochs
    )


@pytest.mark.parametrize(
    ("side", "resolutions"), [(32, (12, 16)), (64, (24, 32)), (24, (9, 12)), (20, (None, None))]
)
def test_default_rungs_average_larger_images_down(digits, side, resolutions):
    images = torch.zeros(len(digits.images), side, side, 1, dtype=torch.uint8)
    first, last = default_rungs(replace(digits, images=images))
    assert (first.resolution, last.resolution) == resolutions
    assert first.images * first.epochs * 2 <= last.images * last.epochs


def test_nothing_is_left_of_a_training(tmp_path, space):
    """Whatever is trained, in whatever order: as many tensors and as much memory as before."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    evaluate = _proxy(tmp_path, rungs=(Recipe(epochs=1, images=128, validation_images=64),))()
    rng = np.random.default_rng(0)
    tensors, sizes = [], []
    for number in range(30):
        evaluate(Task(number, space.sample(rng), seed=number))
        if number % 9 == 2:
            gc.collect()
            tensors.append(sum(issubclass(type(t), torch.Tensor) for t in gc.get_objects()))
            sizes.append(_own_memory())
    assert len(set(tensors)) == 1
    # Each training has 0.6 MB of activations: 18 that stayed would be 11 MB.
    assert sizes[-1] - sizes[1] < 8 * 2**20


def test_freed_memory_goes_back_to_the_system():
    if not keep_memory():
        pytest.skip("needs glibc")
    blocks = [torch.ones(2**18) for _ in range(100)]
    before = _own_memory()
    del blocks[:50], blocks[1:]  # 99 MiB in front of and behind one that stays
    assert _own_memory() > before - 30 * 2**20
    give_memory_back()
    assert _own_memory() < before - 90 * 2**20


def _own_memory():
    """Return the resident bytes of this process that are no mapped file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
