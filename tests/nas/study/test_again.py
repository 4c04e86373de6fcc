"""Seeds as a choice of the sampler: leaders that are measured again, each time as a trial."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import plugnas
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers import Problem, ProblemError, create
from plugnas.nas.samplers.predictor.acquisition import Acquisition
from plugnas.nas.samplers.predictor.aim import Aim
from plugnas.nas.samplers.predictor.model import Model
from plugnas.nas.study.plan import about
from plugnas.nas.study.study import Study
from tests.nas.runs import SPACE, Draws, accuracy, problem
from tests.nas.samplers.examples import MACRO, flops
from tests.nas.samplers.examples import accuracy as true_accuracy


class Repeats(Draws):
    """Wants the first architecture again at every third question."""

    measures_again = True

    def __init__(self, asked: Problem) -> None:
        super().__init__(asked)
        self.first, self.busy, self.questions = None, [], 0

    def ask(self, number):
        found = super().ask(number)
        self.first = self.first or found
        return found

    def again(self, number, busy):
        self.questions += 1
        self.busy.append(set(busy))
        return self.first if self.first and self.questions % 3 == 0 else None


def done(task: Task) -> Measurement:
    values = {"accuracy": accuracy(task.architecture)}
    return Measurement(task.number, task.architecture, task.rung, task.seed, "ok", values)


def repeating(path: Path | None = None) -> Study:
    asked = problem()
    header = about(asked, trials=9)
    ledger = None if path is None else Ledger.open(path, SPACE, cost=asked.cost, about=header)
    return Study(asked, Repeats(asked), ledger, trials=9, again=True)


def test_a_leader_keeps_its_number_gets_the_next_seed_and_counts_as_a_trial(tmp_path) -> None:
    study = repeating(tmp_path / "ledger.jsonl")
    tasks = []
    while (task := study.ask()) is not None:
        tasks.append(task)
        if len(tasks) == 3:
            assert study.started == 3 and study.finished == 2
        study.tell(done(task))
    assert len(tasks) == 9 == study.started == study.finished
    again = [t for t in tasks if t.seed > 0]
    assert [(t.number, t.seed) for t in again] == [(0, 1), (0, 2), (0, 3)]
    assert len({t.architecture.id for t in tasks}) == 6
    continued = repeating(tmp_path / "ledger.jsonl")
    assert continued.started == 9 and continued.ask() is None


def test_the_sampler_hears_what_is_being_measured() -> None:
    study = repeating()
    first = study.ask()
    study.ask()
    assert study._again is not None
    assert first.architecture in study.sampler.busy[-1]


def test_only_the_predictor_decides_on_seeds() -> None:
    asked = {"evaluate": lambda a, rung, seed: {"accuracy": true_accuracy(a)}, "cost": flops}
    with pytest.raises(ProblemError, match="seeds: auto.*only `predictor`"):
        plugnas.search(
            plugnas.SearchSpace(MACRO), **asked, trials=2, seeds="auto", sampler="random"
        )


def spend(noise: float) -> Counter[tuple[int, float]]:
    """Search 9 architectures whose values know no law; (number, true value) -> measurements."""
    asked = Problem(plugnas.SearchSpace({"a": [0, 1, 2], "b": [0, 1, 2]}))
    study = Study(asked, create("predictor", asked), trials=13, again=True)
    rng, counts = np.random.default_rng(0), Counter[tuple[int, float]]()
    while (task := study.ask()) is not None:
        truth = accuracy(task.architecture)
        counts[(task.number, truth)] += 1
        values = {"accuracy": truth + noise * rng.normal()}
        study.tell(Measurement(task.number, task.architecture, 0, task.seed, "ok", values))
    return counts


def test_leaders_are_measured_again_where_noise_decides_and_not_where_there_is_none() -> None:
    quiet = spend(0.0)
    assert sum(n - 1 for n in quiet.values()) <= 3  # which shows that there is none
    noisy = spend(0.2)
    assert len(noisy) == 9 and sum(n - 1 for n in noisy.values()) == 4
    again = [truth for (_, truth), n in noisy.items() if n > 1]
    assert np.mean(again) > np.mean([truth for _, truth in noisy])


def test_a_leader_as_good_as_its_rival_is_worth_more_than_one_that_is_far_ahead() -> None:
    asked = Problem(plugnas.SearchSpace({"a": list(range(8))}))
    gains = []
    for lead in (0.0, 5.0):
        model, rng = Model(asked, 4), np.random.default_rng(0)
        for number, architecture in enumerate(asked.space.architectures(np.arange(7)[:, None])):
            value = (0.9, 0.9 - 0.02 * lead)[number % 2] if number < 2 else 0.5 + 0.02 * number
            for seed in range(2):
                values = {"accuracy": value + 0.01 * rng.normal()}
                told = Measurement(number, architecture, 0, seed, "ok", values)
                model.tell(np.array([number], dtype=np.int16), told)
        acquisition = Acquisition(
            model, np.empty((0, 1), dtype=np.int16), Aim(asked, np.ones((1, 0)))
        )
        rows, found = acquisition.leaders(set())
        gains.append(dict(zip(rows[:, 0].tolist(), found, strict=True)).get(0, 0.0))
        hidden = acquisition.leaders({np.array([0], dtype=np.int16).tobytes()})[0]
        assert 0 not in hidden[:, 0].tolist()
    assert gains[0] > 3 * max(gains[1], 0.0) and gains[0] > 0
