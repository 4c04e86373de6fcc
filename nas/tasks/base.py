"""What every task is to those who train, score and report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor

from plugnas.modules import PlugnasError
from plugnas.nas.data import Dataset


class TaskError(PlugnasError):
    """A task that does not exist, an option that it has not, or images that it cannot use."""


class Task(ABC):
    """What a network is for: the outputs it needs, its loss, its metrics.

    ``metrics`` are names with their better direction, ``max`` or ``min``; the first is the default
    objective. ``head`` says what a skeleton ends in: ``pooled`` gives outputs (B, ``outputs``),
    ``dense`` a map (B, ``outputs``, H, W) of the image's size. Metrics are computed over a whole
    part of the data at once, from tallies that are added up batch by batch: never as a mean of
    batches.
    """

    metrics: ClassVar[Mapping[str, str]] = {}  # a task must name at least one
    head: ClassVar[Literal["pooled", "dense"]] = "pooled"
    labels: ClassVar[Literal["class", "mask"]] = "class"
    """What is known of each image: one label, or a mask with a label for each pixel."""
    auxiliary: float = 0.0
    """Weight of the loss of auxiliary outputs (OCR's regions, ``aux`` of a host); 0: none."""
    told: ClassVar[str] = ""
    """What is told of the training after each epoch, as ``train_<told>``; nothing if empty."""

    @property
    def main(self) -> str:
        """The metric that is the default objective."""
        return next(iter(self.metrics))

    def outputs(self, dataset: Dataset) -> int:
        """Return how many outputs (channels) a network needs."""
        return len(dataset.classes)

    def prepared(self, dataset: Dataset) -> Task:
        """Return the task with what depends on the data settled.

        Raises:
            TaskError: the labels are not those of this task, or an option does not fit them.
        """
        return self

    @abstractmethod
    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the mean loss of a batch, a scalar with a gradient.

        ``smoothing`` is the recipe's label smoothing; a task without classes leaves it.
        """

    @abstractmethod
    def tally(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return what a batch adds to the score: float64, of any shape."""

    def add(self, one: Tensor, other: Tensor) -> Tensor:
        """Return two tallies together; sums, unless a metric needs every single output."""
        return one + other

    @abstractmethod
    def score(self, tally: Tensor) -> dict[str, float]:
        """Return every metric, and ``loss``, from the tally of a whole part."""

    def details(self, tally: Tensor) -> dict[str, Any]:
        """Return what else a report may show of a tally, as plain data."""
        return {}

    def answers(self, outputs: Tensor) -> list[str]:
        """Return what was answered for a few images as short texts that a report can read."""
        return []

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the sum over a batch's images of what is ``told`` after each epoch."""
        raise NotImplementedError(f"{type(self).__name__}.told is set, but it has no `hits`")

    def describe(self, dataset: Dataset) -> list[str]:
        """Return lines on the labels that the user should see before the search."""
        return []


__all__ = ["Task", "TaskError"]
