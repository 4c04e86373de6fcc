"""What a job knows before it measures anything: earlier runs, effects of modules, scores."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from plugnas.nas.job.prepared import Prepared
from plugnas.nas.job.settings import settings_of
from plugnas.nas.proxy.scorer import BATCH, Scorer
from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.known.prior import prior_of, shipped
from plugnas.nas.samplers.known.scored import SAMPLE, Scored
from plugnas.nas.samplers.known.source import Source
from plugnas.nas.samplers.problem import Hint

_AT_MOST = 0.005  # of the trainings, and of the time that the search has
_LONG = 1800.0  # seconds: who gives a search less should not wait for scores
_PASSES = 8  # of a batch through a network, forward and backward, for all scores

SCORES = ("synflow", "naswot", "zico", "swap")
"""Scores of untrained networks that a search asks for (experiments/records say why these)."""


def with_hints(prepared: Prepared, run_dir: Path) -> tuple[Prepared, list[str]]:
    """Return the same job with all that is known before, and what the search says of it.

    Args:
        prepared: the job, with its latencies where it needs them.
        run_dir: where scores are kept.
    """
    job, problem = prepared.job, prepared.problem
    hints: list[Hint] = [*_prior(prepared)]
    said = []
    if hints:
        said.append(
            f"the effects of modules on {len(shipped().sets)} other sets of images inform the "
            "model, and count where they help (`prior: none`)"
        )
    hints += [Source(run, problem) for run in prepared.earlier]
    said += [run.text for run in prepared.earlier]
    file = run_dir / "scores.json"
    scorer = _scorer(prepared) if _scored(prepared) else None
    if scorer is not None and (file.exists() or _quick(prepared, scorer)):
        beside = job.executor_config.name != "serial"  # the trainings are in other processes
        hints.append(Scored(problem, scorer, SCORES, file=file, beside=beside))
        said.append(
            f"zero-cost scores ({', '.join(SCORES)}) of {SAMPLE} untrained networks are worked "
            "out beside the first trainings, and count where they help (`zero_cost: off`)"
        )
    return replace(prepared, hints=tuple(hints)), said


def _prior(prepared: Prepared) -> tuple[Hint, ...]:
    """Return the hint on modules, where it is asked for and there is a model to inform."""
    job = prepared.job
    asked = job.prior == "default" and job.sampler_config.name == "predictor"
    return prior_of(prepared.problem) if asked else ()


def _scorer(prepared: Prepared) -> Scorer:
    """Return what scores a network, on images as the last rung trains on."""
    job = prepared.job
    return Scorer(
        prepared.space.build, prepared.dataset, prepared.task, SCORES,
        recipe=job.proxy.rungs[-1], settings=settings_of(job),
    )  # fmt: skip


def _scored(prepared: Prepared) -> bool:
    """Whether scores are asked for, say something of these networks, and cost next to nothing.

    A host with weights is no untrained network.
    """
    job = prepared.job
    pretrained = job.space.host is not None and job.space.host.weights is not None
    if job.zero_cost == "off" or job.evaluate is not None or pretrained:
        return False
    long = job.timeout is None or job.timeout >= _LONG
    return long and job.sampler_config.name == "predictor" and _share(prepared) <= _AT_MOST


def _share(prepared: Prepared) -> float:
    """Return what scores cost, as a share of all trials' trainings: in images seen."""
    images = len(prepared.dataset.train)
    last = prepared.job.proxy.rungs[-1]
    seen = last.epochs * min(images, last.images or images)
    return SAMPLE * BATCH * _PASSES / max(3.0 * seen * prepared.job.trials, 1.0)


def _quick(prepared: Prepared, scorer: Scorer) -> bool:
    """Whether scores take next to nothing of the time that the search has, by those of one network.

    A timeout may end a search long before its trials do, and the model waits for the scores.
    """
    if prepared.job.timeout is None:
        return True
    problem = prepared.problem
    (one,) = problem.space.architectures(CandidatePool(problem).draw(1, problem.rng(0)))
    start = time.perf_counter()
    scorer(one)
    return SAMPLE * (time.perf_counter() - start) <= _AT_MOST * prepared.job.timeout


__all__ = ["SCORES", "with_hints"]
