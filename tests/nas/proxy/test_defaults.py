"""Default recipes take enough optimiser steps, also on small sets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from plugnas.nas.proxy import STEPS, default_rungs, steps_of
from plugnas.nas.proxy.defaults import confirmation_of


def of(digits, images, side):
    labels = torch.arange(2 * images) % 10
    parts = {"train": torch.arange(images), "validation": torch.arange(images, 2 * images)}
    pixels = torch.zeros(2 * images, side, side, 1, dtype=torch.uint8)
    return replace(digits, images=pixels, labels=labels, **parts)


@pytest.mark.parametrize("images", [20, 100, 300, 1000, 5000])
@pytest.mark.parametrize("side", [8, 32])
def test_every_rung_has_its_steps(digits, images, side):
    dataset = of(digits, images, side)
    rungs = default_rungs(dataset)
    assert steps_of(rungs[-1], images) >= STEPS
    assert all(steps_of(rung, images) >= STEPS // 4 for rung in rungs)
    long = confirmation_of(dataset.input_shape, len(dataset.train) + len(dataset.validation))
    assert steps_of(long, 2 * images) >= 480


def test_a_large_set_keeps_the_recipe_that_was_measured(digits):
    first, last = default_rungs(of(digits, 20000, 32))
    assert (first.batch_size, first.epochs, first.images, first.learning_rate) == (
        128, 3, 5000, 0.15,
    )  # fmt: skip
    assert (last.batch_size, last.epochs, last.images) == (64, 3, 10000)


def test_smaller_batches_come_with_a_smaller_rate_and_before_more_epochs(digits):
    first, last = default_rungs(of(digits, 1000, 32))
    assert (first.batch_size, first.epochs) == (32, 3)
    assert first.learning_rate == pytest.approx(0.15 / 4)
    assert (last.batch_size, last.epochs, last.learning_rate) == (16, 4, pytest.approx(0.025))
