"""Zero-cost scores of a job's architectures, on one batch of its training images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from plugnas.nas import tasks
from plugnas.nas.data import Dataset
from plugnas.nas.machine.device import seeded
from plugnas.nas.machine.threads import threads
from plugnas.nas.proxy.auxiliary import own_labels
from plugnas.nas.proxy.batches import Batches
from plugnas.nas.proxy.recipe import Recipe
from plugnas.nas.proxy.settings import NONE, Settings
from plugnas.nas.proxy.zero_cost import zero_cost
from plugnas.space import Architecture

_PLAIN = Recipe()
BATCH = 32
"""Images that a network is scored on."""


@dataclass(frozen=True)
class Scorer:
    """``scorer(architecture) -> {score: number}``, on the CPU in one thread; the same every time.

    What a score cannot be worked out for, or is not finite, is NaN: a score never ends a search.

    Args:
        build: architecture -> network.
        dataset: the images.
        task: has the loss.
        names: of the scores.
        recipe: says the size of the images, as they are trained on.
        settings: what of it is the architecture's own.
    """

    build: Callable[[Architecture], nn.Module]
    dataset: Dataset
    task: tasks.Task
    names: Sequence[str]
    recipe: Recipe = _PLAIN
    settings: Settings = NONE

    @cached_property
    def _batches(self) -> dict[int | None, tuple[Tensor, Tensor]]:
        return {}

    def _batch(self, architecture: Architecture) -> tuple[Tensor, Tensor]:
        """Return the batch of the size that an architecture is trained on, made once."""
        resolution = self.settings.of(self.recipe, architecture).resolution
        if resolution not in self._batches:
            self._batches[resolution] = self._made(resolution)
        return self._batches[resolution]

    def _made(self, resolution: int | None) -> tuple[Tensor, Tensor]:
        recipe = Recipe(resolution=resolution, batch_size=BATCH)
        batches = Batches(self.dataset, recipe, torch.device("cpu"))
        images, labels = next(
            batches.epoch(self.dataset.train, BATCH, torch.Generator().manual_seed(0))
        )
        return images, own_labels(labels)

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """Return the scores of an architecture."""
        images, labels = self._batch(architecture)
        result = {}
        with threads(1), seeded(0, torch.device("cpu")):
            network = self.build(architecture).to(memory_format=torch.channels_last)
            for name in self.names:
                try:
                    score = zero_cost(name, network, images, labels, self.task.loss)
                except Exception:  # noqa: BLE001 - whatever a module of the user's own does not bear
                    score = math.nan
                result[name] = score if math.isfinite(score) else math.nan
        return result


__all__ = ["BATCH", "Scorer"]
