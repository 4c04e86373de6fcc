"""Several labels for an image: the data, the loss, the metrics, and a whole search."""

from __future__ import annotations

import math

import numpy as np
import PIL.Image
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score
from torch.nn import functional as F

from plugnas.modules import PlugnasError
from plugnas.nas.data import DataError, load
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.tasks.classification import Classification
from plugnas.nas.tasks.multilabel import Multilabel, average_precision

IMAGES = 48


@pytest.fixture
def folder(tmp_path):
    """Images of 8 x 8: red or not, and bright in their upper half or not."""
    for i in range(IMAGES):
        pixels = np.full((8, 8, 3), 20, dtype=np.uint8)
        pixels[:, :, 0] += 120 * (i % 2)
        pixels[:4, :, 1:] += 120 * (i // 2 % 2)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return tmp_path


def written(folder, head="file,red,upper", row=lambda i: f"{i % 2},{i // 2 % 2}"):
    lines = [head, *(f"{i}.png,{row(i)}" for i in range(IMAGES))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return {"source": str(folder / "labels.csv"), "options": {"labels": ["red", "upper"]}}


def loaded(folder, spec):
    return load(spec, cache=folder / "cache")


def test_columns_of_0_and_1_are_labels_and_every_combination_is_in_every_part(folder):
    found = loaded(folder, written(folder))
    assert found.classes == ("red", "upper") and found.labels.shape == (IMAGES, 2)
    red = found.images[:, 7, 0, 0] > 100
    assert (found.labels[:, 0] == red).all()
    for part in (found.train, found.validation, found.test):
        assert len(torch.unique(found.labels[part], dim=0)) == 4
    assert len(found.strata.unique()) == 4 and "several for an image" in found.describe()
    assert Multilabel().prepared(found).outputs(found) == 2
    (line,) = Multilabel().describe(found)
    assert "red" in line and "1 for an image on average" in line


@pytest.mark.parametrize(
    ("head", "row", "law"),
    [
        ("file,red,upper", lambda i: f"{i % 2},{i % 3}", "`upper` holds `2`, and a column of"),
        ("file,red,upper", lambda i: f"{i % 2},0.5", "`upper` holds `0.5`"),
        ("file,red,upper", lambda i: f"{i % 2},", "`upper` holds ``"),
        ("file,red,uper", lambda i: f"{i % 2},1", "no column `upper`; did you mean `uper`"),
        ("file,red,upper", lambda i: f"{i % 2},0", "no training image of labels has the label"),
        ("file,red,upper", lambda i: f"{i % 2},1", "every training image of labels has the label"),
        (
            "file,red,upper,split",
            lambda i: f"{i % 2},{int(i > 40)},{'val' if i > 40 else 'train'}",
            "no training image of labels has the label `upper`",
        ),
    ],
)
def test_wrong_columns_are_named(folder, head, row, law):
    with pytest.raises(DataError, match=law):
        loaded(folder, written(folder, head, row))


def test_labels_are_two_columns_at_least(folder):
    for wrong in (["red"], "red", ["red", "red"], [1, 2]):
        spec = {**written(folder), "options": {"labels": wrong}}
        with pytest.raises(DataError, match="two or more columns"):
            loaded(folder, spec)


def test_a_task_refuses_labels_of_the_other_kind(folder):
    found = loaded(folder, written(folder))
    with pytest.raises(PlugnasError, match="several labels for an image are `task: multilabel`"):
        Classification().prepared(found)
    with pytest.raises(PlugnasError, match="column of 0 and 1 for each label"):
        Multilabel().prepared(load("digits", cache=folder / "cache"))


def test_metrics_are_those_of_the_whole_part():
    rng = np.random.default_rng(0)
    labels = (rng.random((60, 3)) < [0.5, 0.2, 0.05]).astype(np.uint8)
    labels[:, 2] = 0  # that no image has
    outputs = np.round(rng.normal(size=(60, 3)) + labels, 1)  # with ties
    task, x, y = Multilabel(), torch.tensor(outputs), torch.tensor(labels)
    parts = [task.tally(x[rows], y[rows]) for rows in torch.arange(60).split(17)]
    whole = parts[0]
    for part in parts[1:]:
        whole = task.add(whole, part)
    found = task.score(whole)
    known = [average_precision_score(labels[:, i], outputs[:, i]) for i in (0, 1)]
    assert found["mean_average_precision"] == pytest.approx(np.mean(known), abs=1e-9)
    assert average_precision(x[:, :2], y[:, :2].double()).tolist() == pytest.approx(known)
    given = [f1_score(labels[:, i], outputs[:, i] > 0) for i in range(3)]
    assert found["macro_f1"] == pytest.approx(np.mean(given))
    loss = F.binary_cross_entropy_with_logits(x, y.double())
    assert found["loss"] == pytest.approx(float(loss))
    assert float(task.loss(x, y)) == pytest.approx(float(loss))
    halved = F.binary_cross_entropy_with_logits(x, y.double() * 0.8 + 0.1)
    assert float(task.loss(x, y, 0.2)) == pytest.approx(float(halved))


def test_a_search_learns_them(folder, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(folder / "cache"))
    job = {
        "space": {"stages": [{"width": [8, 12]}], "slots": {"attention": ["none", "se"]}},
        "data": written(folder), "task": "multilabel", "trials": 2, "executor": "serial",
        "sampler": "random", "proxy": {"rungs": [{"epochs": 8, "batch_size": 8}]},
    }  # fmt: skip
    view = run_job(parse(job), folder, folder / "run")
    assert view.failures == [] and view.metric.name == "mean_average_precision"
    assert view.best["mean_average_precision"] > 0.8
    assert all(math.isfinite(m.values["macro_f1"]) for m in view.measurements)
