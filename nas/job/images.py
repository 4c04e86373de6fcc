"""The images of a job, or where its own training function has them, only their shape."""

from __future__ import annotations

from pathlib import Path

import torch

from plugnas.nas.data import Dataset, load
from plugnas.nas.job.config import Job
from plugnas.space.typed import ConfigError


def images_of(job: Job, base: Path) -> Dataset:
    """Return the images of a job; of one without ``data``, a set of no image, of the job's shape.

    Raises:
        DataError: bad input. ConfigError: neither images nor their shape.
    """
    if job.data is not None:
        return load(job.data, base=base)
    if job.input is None or job.classes is None:
        raise ConfigError("a job without `data` must have `input` and `classes`")
    channels, height, width = job.input
    named = job.classes if isinstance(job.classes, list) else map(str, range(job.classes))
    none = torch.zeros(0, dtype=torch.int64)
    return Dataset(
        name="images of the training function",
        images=torch.zeros(0, height, width, channels, dtype=torch.uint8),
        labels=none,
        classes=tuple(named),
        train=none,
        validation=none,
        test=none,
        mean=torch.zeros(channels),
        std=torch.ones(channels),
        mirror=False,
        skipped=(),
        notes=(),
        fingerprint="none",
    )


__all__ = ["images_of"]
