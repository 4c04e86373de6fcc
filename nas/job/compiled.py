"""A job's space compiled: the one place where the search, a reader of runs and advice make it."""

from __future__ import annotations

from pathlib import Path

from plugnas.nas.job.config import Job
from plugnas.space import SearchSpace
from plugnas.space.host import HostTrace
from plugnas.space.piece import Shape
from plugnas.space.sizes import Head


def space_of(
    job: Job,
    input_shape: Shape,
    outputs: int,
    *,
    base: Path | str = ".",
    trace: HostTrace | None = None,
    head: Head = "pooled",
) -> SearchSpace:
    """Compile the space of a job.

    Args:
        job: the job.
        input_shape: (C, H, W) of the images.
        outputs: how many the network has.
        base: where a host's paths begin.
        trace: a host's sites, with which no code of it runs.
        head: what a skeleton ends in, as the task says.

    Raises:
        SpaceError, ConfigError: the job says what cannot be.
    """
    return SearchSpace.from_config(
        job.space,
        input_shape,
        outputs,
        base=base,
        trace=trace,
        head=head,
        recipe=job.recipe,
    )


__all__ = ["space_of"]
