"""What the training of one network came to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Training:
    """What a training came to.

    ``values`` are the task's metrics on the scored part, ``loss`` is its loss there; all NaN if the
    training diverged, of which ``reason`` tells. ``curve`` has one entry per epoch (epoch,
    train_loss, what the task tells of a training such as train_accuracy, and where it was scored
    metrics and loss); ``signal`` is minus the sum of its training losses, of all epochs or of the
    recipe's last ``ranked_epochs``. ``details`` are the task's, such as a confusion matrix.
    ``images`` were scored; ``epochs_reused`` were taken from a saved state.
    """

    network: nn.Module
    values: Mapping[str, float]
    loss: float
    curve: tuple[Mapping[str, float], ...]
    signal: float
    seconds: float
    cpu_seconds: float
    epochs_reused: float = 0.0
    images: int = 0
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """The share of images classified right; NaN for a task that has no such metric."""
        return self.values.get("accuracy", math.nan)


def signal_of(curve: Sequence[Mapping[str, float]], epochs: int) -> float:
    """Return minus the sum of the training losses of the last epochs, at least 1."""
    return -sum(point["train_loss"] for point in curve[-epochs:])


__all__ = ["Training", "signal_of"]
