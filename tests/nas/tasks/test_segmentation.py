"""One class per pixel: metrics of the pixels of a whole part, losses, what is ignored."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch.nn import functional as F

from plugnas.nas.data import IGNORED, load
from plugnas.nas.tasks import TaskError, create
from plugnas.nas.tasks.resampling import interval_of
from plugnas.nas.tasks.segmentation import Segmentation
from tests.nas.data.masked import pairs

CLASSES = 4


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(12, CLASSES, 6, 7, generator=generator)
    labels = torch.randint(0, 3, (12, 6, 7), generator=generator, dtype=torch.uint8)  # no class 3
    labels[torch.rand(12, 6, 7, generator=generator) < 0.2] = IGNORED
    outputs[:, 3] -= 100  # nor is it answered
    return outputs, labels


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    root = pairs(folder / "set", [("images", "masks")], count=12, classes=3)
    return load({"source": str(root), "masks": "auto"}, cache=folder / "cache")


def test_metrics_are_those_of_all_pixels_together(batch):
    outputs, labels = batch
    task = Segmentation()
    parts = [task.tally(o, y) for o, y in zip(outputs.split(5), labels.split(5), strict=True)]
    score = task.score(functools.reduce(task.add, parts))
    known = (labels != IGNORED).numpy()
    truth, guess = labels.numpy()[known], outputs.argmax(1).numpy()[known]
    expected = reference.jaccard_score(truth, guess, average=None)
    assert len(expected) == 3  # the class that is neither there nor answered does not count
    assert score["miou"] == pytest.approx(expected.mean())
    assert score["dice"] == pytest.approx(reference.f1_score(truth, guess, average="macro"))
    assert score["pixel_accuracy"] == pytest.approx((truth == guess).mean())
    loss = F.cross_entropy(outputs, labels.long(), ignore_index=IGNORED)
    assert score["loss"] == pytest.approx(float(loss), rel=1e-6)
    details = task.details(functools.reduce(task.add, parts))
    assert list(details["class_iou"].values()) == [*map(pytest.approx, expected), None]
    low, high = details["intervals"]["miou"]
    assert low < score["miou"] < high


def test_a_perfect_answer_scores_one_and_an_answer_elsewhere_counts(batch):
    _, labels = batch
    task = Segmentation()
    right = F.one_hot(labels.long().where(labels != IGNORED, 0), CLASSES).permute(0, 3, 1, 2) * 9.0
    score = task.score(task.tally(right, labels))
    assert score["miou"] == score["dice"] == score["pixel_accuracy"] == 1
    wrong = right.clone()
    wrong[0, 3, 0, 0] = 99  # one pixel answered as a class that nothing has
    labels = labels.clone()
    labels[0, 0, 0] = 0
    assert task.score(task.tally(wrong, labels))["miou"] < 0.76  # its IoU is 0, one of four


def test_the_interval_is_the_bootstrap_over_images(batch):
    task = Segmentation()
    rows = task.tally(*batch)
    drawn = torch.randint(0, 12, (1000, 12), generator=torch.Generator().manual_seed(0))
    values = [task.score(rows[chosen])["miou"] for chosen in drawn]
    expected = np.quantile(values, [0.025, 0.975]).tolist()
    assert task.details(rows)["intervals"]["miou"] == pytest.approx(expected)
    assert interval_of(rows[:7], lambda sums: sums[:, 0]) is None


def test_loss_leaves_out_what_is_ignored_and_survives_a_batch_without_labels(batch):
    outputs, labels = batch
    task = Segmentation()
    expected = F.cross_entropy(outputs, labels.long(), ignore_index=IGNORED, label_smoothing=0.1)
    torch.testing.assert_close(task.loss(outputs, labels, 0.1), expected)
    for kind in ("cross_entropy", "dice"):
        free = outputs.clone().requires_grad_()
        nothing = torch.full_like(labels, IGNORED)
        loss = Segmentation(kind).loss(free, nothing)
        loss.backward()
        assert torch.isfinite(loss) and not free.grad.any()


def test_dice_is_added_to_the_cross_entropy(batch):
    outputs, labels = batch
    added = Segmentation("dice").loss(outputs, labels) - Segmentation().loss(outputs, labels)
    known = labels != IGNORED
    p, each = outputs.softmax(1), []
    for c in range(3):
        y = (labels == c).float()
        own = p[:, c] * known
        each.append(float(2 * (own * y).sum() / (own.sum() + y.sum())))
    assert float(added) == pytest.approx(1 - np.mean(each), abs=1e-6)


def test_class_weights_count_pixels(batch, dataset):
    outputs, labels = batch[0][:, :3], batch[1]
    task = Segmentation(class_weights="balanced").prepared(dataset)
    pixels = dataset.pixels[dataset.train, :3].sum(0)
    torch.testing.assert_close(task.weights, (pixels.sum() / (3 * pixels)).float())
    expected = F.cross_entropy(outputs, labels.long(), task.weights, ignore_index=IGNORED)
    torch.testing.assert_close(task.loss(outputs, labels), expected)
    assert task.score(task.tally(outputs, labels))["loss"] == pytest.approx(float(expected))


def test_answers_of_another_size_are_brought_to_the_mask(batch):
    outputs, labels = batch
    small = outputs[..., :3, :4]
    large = F.interpolate(small, size=(6, 7), mode="bilinear", align_corners=False)
    task = Segmentation()
    assert torch.equal(task.tally(small, labels), task.tally(large, labels))


def test_what_the_task_tells_and_refuses(dataset):
    text = " ".join(Segmentation().describe(dataset))
    assert "0 50.0%" in text
    assert Segmentation().prepared(dataset).classes == ("0", "1", "2")
    with pytest.raises(TaskError, match="does not give a mask for each image"):
        Segmentation().prepared(load("digits"))
    with pytest.raises(TaskError, match="one class for each image"):
        create("classification").prepared(dataset)
    with pytest.raises(TaskError, match="`loss` of segmentation"):
        create({"segmentation": {"loss": "focal"}})
    with pytest.raises(TaskError, match="weight of 0 or more"):
        create({"segmentation": {"auxiliary": -1}})
    with pytest.raises(TaskError, match="a list of 3 numbers above 0"):
        Segmentation(class_weights=[1, 2]).prepared(dataset)
