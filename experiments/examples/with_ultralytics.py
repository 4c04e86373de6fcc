"""A trainer that takes a model object, such as Ultralytics' (AGPL-3.0, not a part of plugnas).

    evaluate: with_ultralytics.py:train
    objectives: {map50: max, flops: min}

What is used of the trainer: it is made of `overrides`, its attribute `model` takes a network that
is made already, `add_callback` registers a function for each epoch, and after `train()` its
`metrics` are those of the validation. Any trainer with this interface can stand in its place. The
host of such a job returns the trainer's own kind of model, such as
`DetectionModel("yolov8n.yaml")`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from torch import nn

from plugnas.nas.executors.function import Context

METRIC = "metrics/mAP50(B)"


def train(network: nn.Module, context: Context) -> dict[str, float]:
    """Train with Ultralytics on the images that $DATA names; return mAP at 0.5."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    return train_with(DetectionTrainer, network, context, data=os.environ["DATA"])


def train_with(
    make: Callable[..., Any], network: nn.Module, context: Context, **overrides: Any
) -> dict[str, float]:
    """Train a network with what `make(overrides=...)` returns, for `context.budget` epochs.

    Args:
        make: the trainer's class.
        network: built by plugnas, on its device.
        context: seed, budget and device of this training, given by plugnas.
        overrides: further settings of the trainer.
    """
    split = "test" if context.final else "val"
    told = {"epochs": context.budget, "device": context.device, "seed": context.seed}
    quiet = {"save": False, "plots": False, "verbose": False}
    trainer = make(overrides={**told, **quiet, "split": split, **overrides})
    trainer.model = network
    trainer.add_callback(
        "on_fit_epoch_end",
        lambda now: context.report(now.epoch + 1, map50=now.metrics.get(METRIC, float("nan"))),
    )
    trainer.train()
    return {"map50": float(trainer.metrics[METRIC])}
