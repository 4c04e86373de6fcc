"""Mixup and random erasing: what they do to a batch, and that a training repeats with them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plugnas.nas.data import load
from plugnas.nas.proxy import train
from plugnas.nas.proxy.auxiliary import loss_of
from plugnas.nas.proxy.batches import Batches
from plugnas.nas.proxy.mixing import Mixed, draw_boxes, draw_shares, erase, mix
from plugnas.nas.proxy.recipe import Recipe, RecipeError
from plugnas.nas.tasks.classification import Classification


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_mixed_batch_is_the_share_of_two_and_its_loss_that_of_both_labels():
    x, y = torch.randn(5, 3, 4, 4), torch.tensor([0, 1, 2, 3, 4])
    mixed, labels = mix(x, y, 0.75)
    assert torch.equal(mixed[0], 0.75 * x[0] + 0.25 * x[4]) and torch.equal(mixed[2], x[2])
    assert labels.own.tolist() == [0, 1, 2, 3, 4] and labels.other.tolist() == [4, 3, 2, 1, 0]
    task, logits = Classification(), torch.randn(5, 5)
    whole = 0.75 * task.loss(logits, y) + 0.25 * task.loss(logits, y.flip(0))
    assert torch.allclose(loss_of(task, logits, [], labels, 0.0), whole)


def test_shares_are_those_of_the_beta_distribution():
    shares = torch.tensor(draw_shares(0.2, 4000, generator()))
    assert abs(float(shares.mean()) - 0.5) < 0.02
    assert abs(float(shares.var()) - 1 / (4 * 1.4)) < 0.01  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_what_is_erased_lies_within_the_image_and_is_as_large_as_published():
    boxes = draw_boxes(0.5, 4000, generator())
    size = boxes[:, 2:] - boxes[:, :2]
    hit = size[:, 0] > 0
    assert abs(float(hit.float().mean()) - 0.5) < 0.03
    assert boxes.min() >= 0 and boxes.max() <= 1 + 1e-6
    area = size[hit].prod(1)
    assert area.min() > 0.015 and area.max() < 1 / 3 + 1e-6 and 0.1 < area.mean() < 0.2
    x = erase(torch.ones(1, 2, 8, 10), torch.tensor([[0.25, 0.5, 0.75, 0.8]]))
    assert x[0, 0, 2:6, 5:8].sum() == 0 and x.sum() == 2 * (80 - 12)


def test_a_training_repeats_with_them_and_its_images_differ(tmp_path):
    data = load({"source": "digits", "limit": 200}, cache=tmp_path)
    plain, both = (Recipe(epochs=2, images=64, **k) for k in ({}, {"mixup": 0.3, "erasing": 1.0}))
    indices = data.train[:32]
    x, y = next(Batches(data, both, torch.device("cpu")).epoch(indices, 32, generator()))
    other, labels = next(Batches(data, plain, torch.device("cpu")).epoch(indices, 32, generator()))
    assert isinstance(y, Mixed) and torch.equal(y.own, labels) and not torch.equal(x, other)

    def network():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    one, again = (train(network, data, both, seed=1) for _ in range(2))
    assert one.curve == again.curve and one.reason is None
    assert one.curve != train(network, data, plain, seed=1).curve
    assert plain.beginning() != both.beginning()


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"mixup": -1}, "mixup must be at least 0"),
        ({"erasing": 1.5}, "erasing must be at most 1"),
        ({"mixup": 0.2, "freeze": "host"}, "which `freeze` does not"),
        ({"erasing": 0.2, "zero_cost": "synflow"}, "which `zero_cost` does not"),
    ],
)
def test_what_cannot_be_is_refused(changes, law):
    with pytest.raises(RecipeError, match=law):
        Recipe(**changes)
