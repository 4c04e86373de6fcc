"""One class per image: metrics over a whole part, class weights, and what is refused."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch.nn import functional as F

from plugnas.nas.data import load
from plugnas.nas.tasks import TaskError, create
from plugnas.nas.tasks.classification import Classification


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load("digits", cache=tmp_path_factory.mktemp("cache"))


def scored(task, outputs, labels, batches):
    tallies = [
        task.tally(*pair)
        for pair in zip(outputs.tensor_split(batches), labels.tensor_split(batches), strict=True)
    ]
    return task.score(functools.reduce(task.add, tallies))


@pytest.mark.parametrize("batches", [1, 7])
def test_metrics_are_those_of_the_whole_part(batches):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(101, 9, generator=generator)
    labels = torch.randint(0, 7, (101,), generator=generator)  # classes 7 and 8 are only answered
    found = scored(Classification(), outputs, labels, batches)
    y, answers = labels.numpy(), outputs.argmax(1).numpy()
    assert found["accuracy"] == reference.accuracy_score(y, answers)
    assert found["balanced_accuracy"] == pytest.approx(
        np.mean([np.mean(answers[y == c] == c) for c in np.unique(y)])
    )
    assert found["macro_f1"] == pytest.approx(reference.f1_score(y, answers, average="macro"))
    first = outputs.argsort(1, descending=True)[:, :5]
    assert found["top5"] == pytest.approx(float((first == labels[:, None]).any(1).double().mean()))
    assert found["loss"] == pytest.approx(float(F.cross_entropy(outputs, labels)), rel=1e-6)
    assert set(found) == {*Classification.metrics, "loss"}


def test_three_classes_have_all_their_answers_among_the_first_five():
    task = Classification()
    found = task.score(task.tally(torch.randn(4, 3), torch.tensor([0, 1, 2, 0])))
    assert found["top5"] == 1


def test_the_confusion_matrix_has_true_classes_as_rows():
    task = Classification()
    outputs = F.one_hot(torch.tensor([0, 1, 1, 2]), 3).float()
    tally = task.tally(outputs, torch.tensor([0, 0, 1, 2]))
    assert task.details(tally) == {"confusion": [[1, 1, 0], [0, 1, 0], [0, 0, 1]]}


def test_of_many_classes_the_most_frequent_errors_are_kept():
    """Defect: of more than 32 classes a measurement told no error at all."""
    task, labels = Classification(), torch.arange(40).repeat(3)
    answers = labels.clone()
    answers[[3, 43, 83, 7, 47, 9]] = torch.tensor([5, 5, 5, 1, 1, 0])
    labels = torch.cat([labels, torch.tensor([9])])  # of 9 there are four images
    answers = torch.cat([answers, torch.tensor([9])])
    tally = task.tally(F.one_hot(answers, 40).float(), labels)
    assert task.details(tally) == {"confused": [[3, 5, 3, 3], [7, 1, 2, 3], [9, 0, 1, 4]]}


@pytest.mark.parametrize("asked", ["balanced", [1.0, 2.0, 0.5, 1, 1, 1, 1, 1, 1, 3]])
def test_class_weights_weigh_the_loss(digits, asked):
    task = Classification(class_weights=asked).prepared(digits)
    labels, outputs = digits.labels[digits.train[:50]], torch.randn(50, 10)
    counts = torch.bincount(digits.labels[digits.train])
    by_hand = counts.sum() / (10 * counts) if asked == "balanced" else torch.tensor(asked)
    expected = F.cross_entropy(outputs, labels, weight=by_hand.float(), label_smoothing=0.1)
    assert torch.allclose(task.loss(outputs, labels, 0.1), expected)
    whole = F.cross_entropy(outputs, labels, weight=by_hand.float())
    assert scored(task, outputs, labels, 3)["loss"] == pytest.approx(float(whole), rel=1e-5)


@pytest.mark.parametrize("asked", ["even", [1.0, 2.0], [0.0] + [1.0] * 9, [True] * 10, 3])
def test_class_weights_that_are_none_are_refused(digits, asked):
    with pytest.raises(TaskError, match="`balanced`, or a list of 10 numbers above 0"):
        Classification(class_weights=asked).prepared(digits)


def test_other_labels_are_refused(digits):
    masks = dataclasses.replace(digits, labels=torch.zeros(len(digits.labels), 8, 8))
    with pytest.raises(TaskError, match="one class for each image"):
        Classification().prepared(masks)


def test_a_large_class_is_told(digits):
    rows = torch.where(digits.labels[digits.train] < 2)[0]
    labels = digits.labels.clone()
    labels[digits.train[len(rows) :]] = 0
    lines = Classification().describe(dataclasses.replace(digits, labels=labels))
    assert lines[0].startswith("classes (training images): 0 ") and "always answers `0`" in lines[1]


@pytest.mark.parametrize(
    ("task", "law"),
    [
        ("clasification", "did you mean `classification`"),
        ({"classification": {"class_weight": "balanced"}}, "did you mean `class_weights`"),
        ({"a": {}, "b": {}}, "give a name or"),
        ({"classification": 3}, "give a name or"),
        ("my.py:Depth", "my.py"),
    ],
)
def test_what_is_no_task(task, law):
    with pytest.raises(Exception, match=law) as raised:
        create(task)
    assert type(raised.value).__module__.startswith("plugnas")
