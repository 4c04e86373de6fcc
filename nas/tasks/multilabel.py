"""Several labels for an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from plugnas.nas.data import Dataset
from plugnas.nas.tasks.base import Task, TaskError
from plugnas.nas.tasks.counts import few, listed

_LABELS = 12  # more labels than this are summed up
_RARE = 0.02  # a label of so small a share of the images is told


class Multilabel(Task):
    """Binary cross-entropy of each label; mean average precision, macro F1.

    The average precision of a label is the sum over the thresholds of (recall gained) x precision,
    over the images of a whole part; its mean is over the labels that some image there has. F1 is
    that of the outputs above 0 (a probability above 0.5), its mean over the labels that an image
    has or was given.
    """

    metrics: ClassVar[Mapping[str, str]] = {
        "mean_average_precision": "max",
        "macro_f1": "max",
    }

    def prepared(self, dataset: Dataset) -> Multilabel:
        """Return the task itself, if the labels are its own."""
        if dataset.labels.ndim != 2:
            raise TaskError(
                f"{dataset.name} does not give several labels for an image, which the task "
                "`multilabel` needs: a CSV file with a column of 0 and 1 for each label, named as "
                "`data: {source: labels.csv, options: {labels: [scratch, dent]}}`"
            )
        return self

    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        wanted = labels.to(outputs.dtype) * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs, wanted)

    def tally(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return a row for each image: its loss, its outputs, its labels."""
        wanted = labels.to(outputs.dtype)
        losses = F.binary_cross_entropy_with_logits(outputs, wanted, reduction="none").mean(1)
        return torch.cat([losses[:, None], outputs, wanted], dim=1).double()

    def add(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the rows of both: precision is that of all images in one order."""
        return torch.cat([one, other])

    def score(self, tally: Tensor) -> dict[str, float]:
        outputs, labels = tally[:, 1:].chunk(2, dim=1)
        there = labels.sum(0) > 0
        precision = average_precision(outputs[:, there], labels[:, there])
        given = (outputs > 0).double()
        right, total = (given * labels).sum(0), given.sum(0) + labels.sum(0)
        return {
            "mean_average_precision": float(precision.mean()),
            "loss": float(tally[:, 0].mean()),
            "macro_f1": float((2 * right[total > 0] / total[total > 0]).mean()),
        }

    def describe(self, dataset: Dataset) -> list[str]:
        """Return how many training images have each label, and which are rare."""
        labels = dataset.labels[dataset.train].cpu().double()
        counts = labels.sum(0).long().tolist()
        text = listed(dataset.classes, counts, "d", _LABELS, "{least} to {largest} images")
        mean = float(labels.sum(1).mean())
        lines = [f"labels (training images): {text}; {mean:.2g} for an image on average"]
        rare = [n for n, c in zip(dataset.classes, counts, strict=True) if c < _RARE * len(labels)]
        if rare:
            lines.append(
                f"fewer than {_RARE:.0%} of the training images have {few(rare)}: the average "
                "precision of such a label is measured on few images"
            )
        return lines


def average_precision(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the average precision of each label (L,), of outputs and 0/1 labels (N, L).

    Images with equal outputs share a threshold. A label that no image has gives NaN.
    """
    found = []
    for column, truth in zip(outputs.T, labels.T, strict=True):
        order = column.argsort(descending=True)
        ranked, hit = column[order], truth[order].cumsum(0)
        last = torch.ones_like(ranked, dtype=torch.bool)
        last[:-1] = ranked[:-1] != ranked[1:]  # the last of those that share a threshold
        precision = (hit / torch.arange(1, len(hit) + 1, device=hit.device))[last]
        gained = torch.diff(hit[last], prepend=hit.new_zeros(1)) / hit[-1]
        found.append((precision * gained).sum())
    return torch.stack(found) if found else outputs.new_full((1,), float("nan"))


__all__ = ["Multilabel", "average_precision"]
