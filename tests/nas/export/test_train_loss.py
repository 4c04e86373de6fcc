"""The export's train.py trains by the loss of the run's task, or the README says that it does not.

Defect: class weights, Dice and auxiliary outputs of the search were left out without a word.
"""

from __future__ import annotations

import itertools
import sys
import types
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from plugnas.nas.export import model_py, readme, train_py
from plugnas.nas.proxy import auxiliary
from plugnas.nas.tasks.classification import Classification
from plugnas.nas.tasks.segmentation import Segmentation
from plugnas.space import Network, SearchSpace, parts_of
from tests.nas.export import subjects
from tests.nas.export.test_train_reading import script

WEIGHTS = (0.25, 2.0)


def weighted(task, weights=WEIGHTS):
    task.weights = torch.tensor(weights)
    return task


def test_class_weights_weigh_the_loss_of_train_py(monkeypatch):
    train, task = script("train.py", monkeypatch), weighted(Classification())
    logits, labels = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 0, 1])
    torch.testing.assert_close(train.loss_of(logits, labels), Classification().loss(logits, labels))
    monkeypatch.setattr(train, "CLASS_WEIGHTS", WEIGHTS)
    monkeypatch.setattr(train, "LABEL_SMOOTHING", 0.1)
    torch.testing.assert_close(train.loss_of(logits, labels), task.loss(logits, labels, 0.1))


@pytest.mark.parametrize(
    ("weights", "dice", "weight"),
    list(itertools.product([None, WEIGHTS], [False, True], [0.0, 0.4])),
)
def test_masks_are_learnt_by_the_loss_of_the_search(monkeypatch, weights, dice, weight):
    train = script("train_masks.py", monkeypatch)
    task = Segmentation(loss="dice" if dice else "cross_entropy", auxiliary=weight)
    task = task if weights is None else weighted(task, weights)
    for name, value in {"CLASS_WEIGHTS": weights, "DICE": dice, "AUXILIARY": weight}.items():
        monkeypatch.setattr(train, name, value)
    labels = torch.randint(0, 2, (3, 6, 8))
    labels[0, :2] = 255
    outputs = {"out": torch.randn(3, 2, 6, 8), "aux": torch.randn(3, 2, 3, 4)}

    def taken() -> list[Tensor]:
        generator = torch.Generator().manual_seed(1)
        shapes = [(3, 5, 3, 4), (3, 1, 3, 4)]  # more channels than classes, and fewer
        return [torch.randn(shape, generator=generator) for shape in shapes]

    watched = taken()
    expected = auxiliary.loss_of(task, outputs, taken(), labels, 0.0)
    torch.testing.assert_close(train.whole_loss(outputs, watched, labels), expected)
    assert watched == []
    alone = auxiliary.loss_of(task, outputs["out"], [], labels, 0.0)
    torch.testing.assert_close(train.whole_loss(outputs["out"], [], labels), alone)


def test_ocr_s_regions_are_found_in_the_exported_model(monkeypatch):
    config = {"stages": [{"width": 8, "stride": 2}], "context": [{"ocr": {"regions": 8}}]}
    space = SearchSpace.from_config(config, (3, 6, 8), 2, head="dense")
    values = subjects.first(space)
    network = Network(parts_of(values)).eval()
    subject = replace(
        subjects.subject(), values=values, network=network, dense=True, input_shape=(3, 6, 8),
        classes=("cat", "dog"), mean=(0.0,) * 3, std=(1.0,) * 3,
    )  # fmt: skip
    module = types.ModuleType("exported")
    monkeypatch.setitem(sys.modules, "exported", module)
    text = model_py.source(subject, deploy=True, preprocessing=False)
    exec(compile(text, "model.py", "exec"), module.__dict__)
    train = script("train_masks.py", monkeypatch)
    exported: nn.Module = module.Network()
    assert train.watched(exported) == []
    exported(torch.zeros(1, 3, 6, 8))
    monkeypatch.setattr(train, "AUXILIARY", 0.4)
    taken = train.watched(exported.train())
    exported(torch.randn(2, 3, 6, 8))
    assert [maps.shape[1] for maps in taken] == [8]
    taken.clear()
    exported.eval()(torch.randn(2, 3, 6, 8))
    assert taken == []


def test_the_loss_is_written_into_the_script(tmp_path):
    plain = subjects.subject()
    train_py.write(replace(plain, task=Classification()), tmp_path)
    assert "\nCLASS_WEIGHTS = None\n" in (tmp_path / "train.py").read_text()
    train_py.write(replace(plain, task=weighted(Classification())), tmp_path)
    assert "\nCLASS_WEIGHTS = (0.25, 2.0)\n" in (tmp_path / "train.py").read_text()
    many = weighted(Classification(), [1 / 3] * 40)
    train_py.write(replace(plain, task=many), tmp_path)
    text = (tmp_path / "train.py").read_text()
    assert max(map(len, text.splitlines())) <= 100 and text.count("    0.3333333,\n") == 40
    compile(text, "train.py", "exec")
    task = weighted(Segmentation(loss="dice", auxiliary=0.2))
    train_py.write(replace(plain, task=task, dense=True), tmp_path)
    text = (tmp_path / "train.py").read_text()
    for line in ("DICE = True  #", "AUXILIARY = 0.2  #", "CLASS_WEIGHTS = (0.25, 2.0)\n"):
        assert f"\n{line}" in text


class Depth(Classification):
    """A task from outside, with a loss of its own."""


def test_the_readme_says_when_the_loss_is_another(tmp_path):
    about = readme.About(
        files=["train.py"], skipped={}, latencies={}, step=None, deploy=False,
        preprocessing=False, libraries=[], opset=18, versions={},
    )  # fmt: skip
    for task, said in ((Depth(), True), (Classification(), False), (None, False)):
        readme.write(replace(subjects.subject(), task=task), tmp_path, about)
        words = "trains by cross-entropy, not by the loss of the run's task `Depth`"
        assert (words in (tmp_path / "README.md").read_text()) is said
