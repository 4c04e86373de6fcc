"""One class per image."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from plugnas.nas.data import Dataset
from plugnas.nas.tasks.base import Task, TaskError
from plugnas.nas.tasks.counts import (
    balanced_accuracy,
    confused,
    confusion,
    listed,
    macro_f1,
    weights_of,
)

_CLASSES = 12  # more classes than this are summed up
_LARGE = 0.5  # a class of so large a share is told
_KEPT = 32  # of more classes the most frequent errors are kept, not the confusion matrix
_PAIRS = 15


class Classification(Task):
    """Cross-entropy; accuracy, balanced accuracy (mean recall), macro F1, top-5 accuracy.

    Balanced accuracy is the mean over the classes that the part has; macro F1 the mean over those
    that it has or that were answered. ``class_weights`` weight the loss: ``balanced`` by images /
    (classes x images of the class), or one number for each class in the order of the classes.
    """

    metrics: ClassVar[Mapping[str, str]] = {
        "accuracy": "max",
        "balanced_accuracy": "max",
        "macro_f1": "max",
        "top5": "max",
    }
    told = "accuracy"

    def __init__(self, class_weights: Literal["balanced"] | Sequence[float] | None = None) -> None:
        self.class_weights = class_weights
        self.weights: Tensor | None = None

    def prepared(self, dataset: Dataset) -> Classification:
        """Return the task with its class weights as numbers."""
        if dataset.labels.ndim != 1 or dataset.labels.is_floating_point():
            raise TaskError(
                f"{dataset.name} does not give one class for each image, which the task "
                "`classification` needs; several labels for an image are `task: multilabel`, and "
                "where exactly one column is 1, give one column `label` with its name instead"
            )
        found = copy.copy(self)
        counts = np.bincount(
            dataset.labels[dataset.train].cpu().numpy(), minlength=len(dataset.classes)
        )
        found.weights = weights_of(self.class_weights, counts, dataset.classes)
        return found

    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(
            outputs, labels, weight=self._weights(outputs), label_smoothing=smoothing
        )

    def tally(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return loss sum, its weight, right among the first five, and the confusion matrix."""
        weights = self._weights(outputs)
        loss = F.cross_entropy(outputs, labels, weight=weights, reduction="sum")
        weight = len(labels) if weights is None else weights[labels].sum()
        best = outputs.topk(min(5, outputs.shape[1]), dim=1).indices
        right = (best == labels[:, None]).any(1).sum()
        loss = loss.double()
        head = torch.stack([loss, torch.as_tensor(weight).to(loss), right.double()])
        matrix = confusion(outputs.argmax(1), labels, outputs.shape[1])
        return torch.cat([head, matrix.flatten()])

    def score(self, tally: Tensor) -> dict[str, float]:
        matrix = _matrix(tally)
        loss, weight, right = tally[:3]
        return {
            "accuracy": float(matrix.trace() / matrix.sum()),
            "loss": float(loss / weight),
            "balanced_accuracy": balanced_accuracy(matrix),
            "macro_f1": macro_f1(matrix),
            "top5": float(right / matrix.sum()),
        }

    def details(self, tally: Tensor) -> dict[str, Any]:
        """Return ``confusion``, the matrix: rows are true classes, columns answers.

        Of more than 32 classes ``confused``: the most frequent errors, as `counts.confused`.
        """
        matrix = _matrix(tally).long()
        if len(matrix) <= _KEPT:
            return {"confusion": matrix.tolist()}
        return {"confused": confused(matrix.cpu().numpy(), _PAIRS)}

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs.argmax(1) == labels).sum()

    def describe(self, dataset: Dataset) -> list[str]:
        """Return how many training images each class has, and what to know where one has most."""
        labels = dataset.labels[dataset.train].cpu().numpy()
        counts = np.bincount(labels, minlength=len(dataset.classes))
        text = listed(
            dataset.classes, counts.tolist(), "d", _CLASSES, "{least} to {largest} images"
        )
        lines = [f"classes (training images): {text}"]
        share, largest = counts.max() / max(counts.sum(), 1), dataset.classes[int(counts.argmax())]
        if share >= _LARGE and len(counts) > 1:
            lines.append(
                f"`{largest}` is {share:.0%} of the training images: a network that always answers "
                f"`{largest}` has an accuracy of about {share:.2f}; `balanced_accuracy` as the "
                "objective counts every class alike"
            )
        return lines

    def _weights(self, outputs: Tensor) -> Tensor | None:
        return None if self.weights is None else self.weights.to(outputs)


def _matrix(tally: Tensor) -> Tensor:
    cells = tally[3:]
    classes = round(len(cells) ** 0.5)
    return cells.view(classes, classes)


__all__ = ["Classification"]
