"""What a job knows before it measures anything: earlier runs, scores of untrained networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plugnas.nas.job.prepared import Prepared
from plugnas.nas.proxy.scorer import Scorer
from plugnas.nas.samplers.known.scored import SAMPLE, Scored
from plugnas.nas.samplers.known.source import Source
from plugnas.nas.samplers.problem import Hint

SCORES = ("synflow", "naswot", "zico", "swap")
"""Scores of untrained networks that a search asks for (experiments/records say why these)."""


def with_hints(prepared: Prepared, run_dir: Path) -> tuple[Prepared, list[str]]:
    """Return the same job with all that is known before, and what the search says of it.

    Args:
        prepared: the job, with its latencies where it needs them.
        run_dir: where scores are kept.
    """
    job, problem = prepared.job, prepared.problem
    hints: list[Hint] = [Source(run, problem) for run in prepared.earlier]
    said = [run.text for run in prepared.earlier]
    if _scored(prepared):
        beside = job.executor_config.name != "serial"  # the trainings are in other processes
        scorer = Scorer(prepared.space.build, prepared.dataset, prepared.task, SCORES)
        hints.append(Scored(problem, scorer, SCORES, file=run_dir / "scores.json", beside=beside))
        said.append(
            f"zero-cost scores ({', '.join(SCORES)}) of {SAMPLE} untrained networks are worked "
            "out beside the first trainings, and count where they help (`zero_cost: off`)"
        )
    return replace(prepared, hints=tuple(hints)), said


def _scored(prepared: Prepared) -> bool:
    """Whether the job asks for scores, and they say something of its networks."""
    job, host = prepared.job, prepared.space.host
    trained = job.evaluate is None and (host is None or job.space.host.weights is None)
    return job.zero_cost == "auto" and trained and job.sampler_config.name == "predictor"


__all__ = ["SCORES", "with_hints"]
