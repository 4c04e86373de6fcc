"""Zero-cost scores as hints: worked out for a sample beside the search, and modelled from it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.reading import read_json
from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.known.earlier import Earlier
from plugnas.nas.samplers.known.source import Source
from plugnas.nas.samplers.problem import Problem
from plugnas.space import Architecture

Doubles = NDArray[np.float64]
Compute = Callable[[Architecture], Mapping[str, float]]

SAMPLE = 96
"""Architectures that are scored; of all others a model expects the scores."""


class Scored:
    """Scores of a sample of architectures within budget, the same for every search of a problem.

    The scores of a sample are ranked and put on a normal scale, since some span many powers of ten.
    What is not finite is left out. A thread works them out beside the first trainings; whoever
    needs them waits for the last, so that a search does not depend on how quick the machine is.

    Args:
        problem: what is searched.
        compute: architecture -> scores.
        names: of the scores.
        file: where they are kept, so that none is worked out twice; None keeps nothing.
        beside: in a thread; else at the first need.
    """

    name = "zero-cost scores"

    def __init__(
        self,
        problem: Problem,
        compute: Compute,
        names: Sequence[str],
        *,
        file: Path | None = None,
        beside: bool = True,
    ) -> None:
        self.width, self.names = len(names), tuple(names)
        self._problem, self._compute, self._file = problem, compute, file
        self._scores: list[Mapping[str, float]] = []
        self._error: Exception | None = None
        pool = CandidatePool(problem)
        self._sample = problem.space.architectures(pool.draw(SAMPLE, problem.rng(0)))
        self._thread = threading.Thread(target=self._run, name="plugnas scores", daemon=True)
        self._begun = beside
        if beside:
            self._thread.start()

    def values(self, codes: NDArray[np.int16], costs: Doubles) -> Doubles:
        """Return what each score is expected to be of code rows (n, scores)."""
        columns = [s.values(codes, costs)[:, :1] for s in self._sources if s is not None]
        told = iter(columns)
        absent = np.zeros((len(codes), 1))
        return np.concatenate([absent if s is None else next(told) for s in self._sources], axis=1)

    def _run(self) -> None:
        try:
            known = self._kept()
            for architecture in self._sample:
                found = known.get(architecture.id)
                self._scores.append(self._compute(architecture) if found is None else found)
            if self._file is not None:
                pairs = zip(self._sample, self._scores, strict=True)
                write_text(self._file, json.dumps({a.id: _plain(s) for a, s in pairs}))
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            self._error = error

    def _kept(self) -> dict[str, dict[str, float]]:
        """Return the scores of an earlier session; none where the file is not there or damaged."""
        if self._file is None or not self._file.exists():
            return {}
        try:
            kept = read_json(self._file, dict[str, dict[str, float | None]])
        except (OSError, ValueError):
            return {}
        return {
            name: {n: np.nan if v is None else v for n, v in scores.items()}
            for name, scores in kept.items()
            if set(self.names) <= set(scores)
        }

    @cached_property
    def _sources(self) -> list[Source | None]:
        """A model of each score; None where fewer than half of the sample have it."""
        if not self._begun:
            self._run()
        else:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return [self._model_of(name) for name in self.names]

    def _model_of(self, name: str) -> Source | None:
        from scipy.special import ndtri  # both are slow to import, and every search imports this
        from scipy.stats import rankdata

        raw = np.array([scores[name] for scores in self._scores])
        fine = np.flatnonzero(np.isfinite(raw))
        if 2 * len(fine) < len(raw) or len(fine) < 3 or np.ptp(raw[fine]) == 0:
            return None
        normal = ndtri((rankdata(raw[fine]) - 0.5) / len(fine))
        told = [
            Measurement(n, self._sample[i], 0, 0, "ok", dict.fromkeys(self._problem.measured, v))
            for n, (i, v) in enumerate(zip(fine, self._signs * normal, strict=True))
        ]
        return Source(Earlier(name, tuple(told), len(told), {}), self._problem)

    @property
    def _signs(self) -> float:
        """The factor under which more is better of the first measured objective."""
        return self._problem.sign(self._problem.measured[0])


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {n: float(v) if np.isfinite(v) else None for n, v in scores.items()}


__all__ = ["SAMPLE", "Scored"]
