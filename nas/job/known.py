"""What a job knows before it measures anything."""

from __future__ import annotations

from dataclasses import replace

from plugnas.nas.job.prepared import Prepared
from plugnas.nas.samplers.known.source import Source
from plugnas.nas.samplers.problem import Hint


def with_hints(prepared: Prepared) -> tuple[Prepared, list[str]]:
    """Return the same job, with its latencies where it needs them, with all that is known before.

    Also what the search says of it.
    """
    problem = prepared.problem
    hints: list[Hint] = [Source(run, problem) for run in prepared.earlier]
    return replace(prepared, hints=tuple(hints)), [run.text for run in prepared.earlier]


__all__ = ["with_hints"]
