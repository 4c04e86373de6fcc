"""One class for each pixel."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from plugnas.nas.data import IGNORED, Dataset
from plugnas.nas.tasks.base import Task, TaskError
from plugnas.nas.tasks.counts import few, listed, weights_of
from plugnas.nas.tasks.pictures import written
from plugnas.nas.tasks.resampling import interval_of

_CLASSES = 24  # more classes than this are summed up
_RARE = 0.01  # a class of so small a share of the pixels is told


class Segmentation(Task):
    """Cross-entropy over the pixels; mean intersection over union, mean Dice, pixel accuracy.

    All metrics are those of the pixels of a whole part taken together, never means over images or
    batches, and pixels whose label is ignored count nowhere. The IoU of a class is its pixels that
    were answered right / those that have it or were answered so; ``miou`` is the mean over the
    classes that have or were answered some pixel. Dice is 2 IoU / (1 + IoU), class by class.

    ``loss`` ``dice`` adds 1 - the mean soft Dice of a batch to the cross-entropy (Milletari et al.,
    2016, arXiv:1606.04797). ``class_weights`` weight the cross-entropy: ``balanced`` by pixels /
    (classes x pixels of the class), or one number for each class. ``auxiliary`` is the weight of
    the loss of auxiliary outputs (OCR's regions, a host's ``aux``); 0 does not train them.
    """

    metrics: ClassVar[Mapping[str, str]] = {
        "miou": "max",
        "dice": "max",
        "pixel_accuracy": "max",
    }
    head = "dense"
    labels = "mask"
    told = "pixel_accuracy"

    def __init__(
        self,
        loss: Literal["cross_entropy", "dice"] = "cross_entropy",
        class_weights: Literal["balanced"] | Sequence[float] | None = None,
        auxiliary: float = 0.4,
    ) -> None:
        if loss not in ("cross_entropy", "dice"):
            raise TaskError(
                f"task: `loss` of segmentation is cross_entropy, or dice (cross-entropy + Dice), "
                f"got {loss!r}"
            )
        if not _is_number(auxiliary) or auxiliary < 0:
            raise TaskError(f"task: `auxiliary` is a weight of 0 or more, got {auxiliary!r}")
        self.with_dice = loss == "dice"
        self.class_weights, self.auxiliary = class_weights, float(auxiliary)
        self.weights: Tensor | None = None
        self.classes: tuple[str, ...] = ()

    def prepared(self, dataset: Dataset) -> Segmentation:
        """Return the task with its class weights as numbers."""
        if dataset.pixels is None:
            raise TaskError(
                f"{dataset.name} does not give a mask for each image, which the task "
                "`segmentation` needs; see docs/howto/segmentation.md for the layouts"
            )
        found = copy.copy(self)
        counts = dataset.pixels[dataset.train.cpu(), :-1].sum(0).numpy()
        found.weights = weights_of(self.class_weights, counts, dataset.classes)
        found.classes = dataset.classes
        return found

    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        logits, answers = fitted(outputs, labels), labels.long()
        loss = F.cross_entropy(
            logits, answers, self._weights(logits), ignore_index=IGNORED,
            label_smoothing=smoothing, reduction="sum",
        ) / self._weight(logits, answers).clamp(min=1e-6)  # fmt: skip
        return loss + _dice_loss(logits, answers) if self.with_dice else loss

    def tally(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return a row for each image: loss, its weight; by class: right, true, answered pixels."""
        logits, answers = fitted(outputs, labels), labels.long()
        losses = F.cross_entropy(
            logits, answers, self._weights(logits), ignore_index=IGNORED, reduction="none"
        )
        known, classes = answers != IGNORED, logits.shape[1]
        weights = self._weights(logits)
        weight = known.float() if weights is None else weights[answers.where(known, 0)] * known
        guess = logits.argmax(1)
        image = torch.arange(len(answers), device=answers.device)[:, None, None] * classes
        counts = [
            _counted(image + of, which, len(answers), classes)
            for of, which in (
                (guess, known & (guess == answers)),
                (answers.where(known, 0), known),
                (guess, known),
            )
        ]
        sums = torch.stack([losses.flatten(1).double().sum(1), weight.flatten(1).double().sum(1)])
        return torch.cat([sums.T, *counts], dim=1)

    def add(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the rows of both: single images say how sure the metrics are."""
        return torch.cat([one, other])

    def score(self, tally: Tensor) -> dict[str, float]:
        total = tally.sum(0)
        right, true, answered = _by_class(total)
        iou, there = _iou(right, true, answered), true + answered > 0
        return {
            "miou": float(iou[there].mean()),
            "loss": float(total[0] / total[1]),
            "dice": float((2 * iou / (1 + iou))[there].mean()),
            "pixel_accuracy": float(right.sum() / true.sum()),
        }

    def details(self, tally: Tensor) -> dict[str, Any]:
        """Return the IoU of each class, None where there is none, and 95 % intervals."""
        right, true, answered = (part.cpu() for part in _by_class(tally.sum(0)))
        iou = _iou(right, true, answered)
        there = true + answered > 0
        found = [float(v) if yes else None for v, yes in zip(iou, there, strict=True)]
        names = self.classes or tuple(map(str, range(len(found))))
        return {
            "class_iou": dict(zip(names, found, strict=True)),
            "intervals": {"miou": interval_of(tally.cpu(), _mious)},
        }

    def answers(self, outputs: Tensor) -> list[str]:
        """Return the answered labels of each image, small, as ``tasks.pictures`` writes them."""
        return [written(answer) for answer in outputs.argmax(1).to(torch.uint8).cpu().numpy()]

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the sum over images of the share of their labelled pixels that are right."""
        known = (labels != IGNORED).flatten(1)
        right = (fitted(outputs, labels).argmax(1) == labels).flatten(1) & known
        return (right.sum(1) / known.sum(1).clamp(min=1)).sum()

    def describe(self, dataset: Dataset) -> list[str]:
        """Return the share of the training pixels that each class has."""
        if dataset.pixels is None:
            return []
        counts = dataset.pixels[dataset.train.cpu()].sum(0)
        shares = (counts[:-1] / counts[:-1].sum().clamp(min=1)).tolist()
        text = listed(dataset.classes, shares, ".1%", _CLASSES, "{least:.2%} to {largest:.1%}")
        lines = [f"classes (share of the labelled training pixels): {text}"]
        if counts[-1]:
            lines.append(
                f"{float(counts[-1] / counts.sum()):.1%} of the training pixels are ignored"
            )
        rare = [n for n, s in zip(dataset.classes, shares, strict=True) if s < _RARE]
        if rare and self.class_weights is None:
            lines.append(
                f"rare classes: {few(rare)}; `miou` counts every class alike, and "
                "`task: {segmentation: {class_weights: balanced}}` weights their loss"
            )
        return lines

    def _weights(self, logits: Tensor) -> Tensor | None:
        return None if self.weights is None else self.weights.to(logits)

    def _weight(self, logits: Tensor, answers: Tensor) -> Tensor:
        """Return by what the summed cross-entropy of a batch is divided."""
        known, weights = answers != IGNORED, self._weights(logits)
        return known.sum() if weights is None else weights[answers[known]].sum()


def fitted(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return logits (B, classes, h, w) at the size of the masks (B, H, W), bilinearly."""
    if outputs.shape[-2:] == labels.shape[-2:]:
        return outputs
    size = labels.shape[-2:]
    return F.interpolate(outputs, size=size, mode="bilinear", align_corners=False)


def _dice_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Return 1 - the mean over the batch's classes of 2 sum(p y) / (sum(p) + sum(y))."""
    known = (answers != IGNORED)[:, None]
    shares = logits.softmax(1) * known
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
    truth = (answers[:, None] == classes) & known
    both = (shares * truth).sum((0, 2, 3))
    each = shares.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    there = truth.any(3).any(2).any(0)
    dice = 2 * both / each.clamp(min=1e-6)
    return 1 - (dice * there).sum() / there.sum().clamp(min=1)


def _counted(places: Tensor, which: Tensor, images: int, classes: int) -> Tensor:
    found = torch.bincount(places[which], minlength=images * classes)
    return found.double().view(images, classes)


def _by_class(total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return right, true and answered pixels of each class, from rows or their sum."""
    right, true, answered = total[..., 2:].chunk(3, dim=-1)
    return right, true, answered


def _iou(right: Tensor, true: Tensor, answered: Tensor) -> Tensor:
    return right / (true + answered - right).clamp(min=1)


def _mious(rows: Tensor) -> Tensor:
    """Return the miou of each row of sums (R, 2 + 3 classes)."""
    right, true, answered = _by_class(rows)
    there = true + answered > 0
    return (_iou(right, true, answered) * there).sum(-1) / there.sum(-1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


__all__ = ["Segmentation", "fitted"]
