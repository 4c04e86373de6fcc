"""Field cases of searches and networks: what people met with other tools, rebuilt small.

The source of each stands beside it as `repository#issue`; no code or wording is taken from there.
Some cases are tested further where that is tested: a driver that is killed
(tests/nas/study/test_kill.py), a full disk and a damaged ledger (tests/nas/ledger), clusters
(tests/nas/executors/test_ray.py), the export's reader of images
(tests/nas/export/test_train_reading.py), stale statistics of norms (tests/nas/proxy/test_norms.py),
every module through ONNX (tests/nas/export/test_zoo.py).
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import plugnas
from plugnas.nas import api
from plugnas.nas.data import Dataset
from plugnas.nas.executors import SerialExecutor
from plugnas.nas.job.config import parse
from plugnas.nas.ledger.lines import LedgerError
from plugnas.nas.proxy import STEPS, Recipe, default_rungs, steps_of, train
from plugnas.nas.study.drive import drive
from plugnas.space import SearchSpace
from plugnas.space.typed import ConfigError
from tests.nas.runs import Table, study

PLAIN = {"layer0": ["id", "mb3", "mb6"], "layer1": ["id", "mb3", "mb6"], "layer2": ["a", "b"]}


def images(count: int, side: int) -> Dataset:
    """Grey images of two classes that a pixel tells apart."""
    rows = torch.arange(count)
    pixels = torch.full((count, side, side, 1), 60, dtype=torch.uint8)
    pixels[1::2] = 180
    return Dataset(
        "made", pixels, rows % 2, ("a", "b"), rows, rows[:8], rows[:0], torch.full((1,), 0.5),
        torch.full((1,), 0.25), mirror=False, skipped=(), notes=(), fingerprint="made",
    )  # fmt: skip


def test_288_images_at_224_pixels_get_enough_steps():
    """pytorch#5406, pytorch#4741, schedule_free#60, keras#6014: no ranking after a dozen steps."""
    rungs = default_rungs(images(288, 224))
    assert steps_of(rungs[-1], 288) >= STEPS
    assert all(steps_of(rung, 288) >= STEPS // 4 for rung in rungs)


def test_one_image_left_over_where_the_map_is_one_pixel():
    """SCNet#8, ResNeSt#46, fastai#1352, pointnet#18: 33 images in batches of 16 train."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 4), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )  # fmt: skip
    found = train(network, images(33, 4), Recipe(epochs=1, batch_size=16, shift=0), device="cpu")
    assert found.reason is None
    assert 0 <= found.accuracy <= 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "must return a mapping|not None"),
        ("0.5 %", "must be a number"),
        (ValueError("no such file"), "no such file"),
        (float("nan"), "nan"),
    ],
)
def test_an_objective_that_is_no_number(answer: Any, words: str):
    """optuna#2727, optuna#1546, optuna#3779, keras-tuner#817: said, and not an empty front."""

    def evaluate(architecture: Any, rung: int, seed: int) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return {"accuracy": answer} if answer is not None else None

    try:
        found = api.search(
            SearchSpace(PLAIN), evaluate=evaluate, objectives={"accuracy": "max"}, trials=12,
            sampler="random",
        )  # fmt: skip
    except plugnas.modules.PlugnasError as error:
        assert words.split("|")[0] in str(error) or words.split("|")[-1] in str(error)
    else:  # a training that diverges is a result, and each says so
        assert found.front == []
        assert all(words in str(m.reason) for m in found.failures)
        assert len(found.failures) == 12


def test_the_same_seed_at_once_and_in_two_sessions(tmp_path):
    """darts#32, neps#108: the same figures, however a run was interrupted."""

    def figures(run: Any) -> list[tuple[int, str, float]]:
        told = [(m.number, m.architecture.id, m.values["accuracy"]) for m in run.measurements]
        return sorted(told)

    whole = study(tmp_path / "a.jsonl", trials=12)
    drive(whole, SerialExecutor(Table()))
    drive(study(tmp_path / "b.jsonl", trials=5), SerialExecutor(Table()))
    parts = study(tmp_path / "b.jsonl", trials=12)
    drive(parts, SerialExecutor(Table()))
    assert figures(parts) == figures(whole)


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    """One sentence, and what was recorded before stays."""
    run = study(tmp_path / "run.jsonl", trials=3)
    drive(run, SerialExecutor(Table()))
    kept = (tmp_path / "run.jsonl").read_bytes()
    more = study(tmp_path / "run.jsonl", trials=9)

    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LedgerError) as found:
        drive(more, SerialExecutor(Table()))
    monkeypatch.undo()
    assert "\n" not in str(found.value)
    assert (tmp_path / "run.jsonl").read_bytes().startswith(kept)


@pytest.mark.parametrize("depth", [[500], 500])
def test_a_depth_that_nobody_means(depth):
    """A space of 500 blocks took minutes without a word: it is refused."""
    space = {"stages": [{"width": 8, "depth": depth}], "slots": {"attention": ["none", "se"]}}
    with pytest.raises(plugnas.modules.PlugnasError, match=r"space\.stages\[0\]\.depth"):
        SearchSpace.from_config(parse({"space": space}).space, (1, 8, 8), 2)


def test_a_key_that_is_a_number():
    """Said as one word of the job, and not as garbled text."""
    with pytest.raises(ConfigError, match="job: top level: a key must be a word, but got 7; write"):
        parse({"space": {"stages": [{"width": 8}]}, 7: "x"})
    with pytest.raises(ConfigError, match=r"space.stages\[0\]: a key must be a word, but got 7"):
        parse({"space": {"stages": [{"width": 8, 7: 1}]}})


def test_a_project_with_a_folder_of_modules_of_its_own(tmp_path: Path):
    """libpgm#15, singularity#335, nuscenes-devkit#5: neither is taken for the other."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "__init__.py").write_text("OWN = True\n")
    code = "import modules, plugnas.modules; print(modules.OWN, plugnas.modules.get('se').key)"
    root = str(Path(plugnas.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), root])},
    )  # fmt: skip
    assert done.stdout.split() == ["True", "se"], done.stderr[-500:]
