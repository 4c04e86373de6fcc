"""How many trainings are made at each rung, against the study that makes them."""

from __future__ import annotations

import numpy as np
import pytest

from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.study.expected import expected_trainings
from plugnas.nas.study.rungs import Rungs
from tests.nas.runs import SPACE, problem


def test_short_searches_by_hand():
    assert expected_trainings(2, 2) == [2, 0]
    assert expected_trainings(3, 2) == [3, 1]
    assert expected_trainings(9, 1) == [9]
    assert expected_trainings(100, 3, "promise") == [100, 33, 11]
    assert expected_trainings(26, 2, "promise", predictor=True) == [26, 19]


def test_the_law_is_that_of_the_rungs():
    """One objective, one worker, random values: as many as the rungs themselves promote."""

    def promoted(seed: int, trials: int = 15) -> int:
        rng = np.random.default_rng(seed)
        architectures = list({a.id: a for a in (SPACE.sample(rng) for _ in range(90))}.values())
        rungs, known = Rungs(problem(cost=_Free()), 2), []
        for number, architecture in enumerate(architectures[:trials]):
            known.append(_told(Task(number, architecture), float(rng.random())))
            while (due := rungs.next(known)) is not None:
                known.append(_told(Task(number, *due), 0.5))
        return sum(m.rung == 1 for m in known)

    made = np.mean([promoted(seed) for seed in range(40)])
    assert expected_trainings(15, 2)[1] == pytest.approx(made, rel=0.25)
    assert expected_trainings(15, 2, traded=True)[1] > made
    assert expected_trainings(240, 2)[1] == 10 * expected_trainings(24, 2)[1]


def _told(task: Task, value: float) -> Measurement:
    return Measurement(
        task.number, task.architecture, task.rung, 0, "ok", {"accuracy": value},
        costs={"params": 1.0}, signal=value,
    )  # fmt: skip


class _Free:
    """Every architecture costs the same, so that one objective is left."""

    names = ("params",)

    def cost(self, architecture: object) -> dict[str, float]:
        return {"params": 1.0}

    def costs_of(self, architectures: list[object]) -> dict[str, np.ndarray]:
        return {"params": np.ones(len(architectures))}
