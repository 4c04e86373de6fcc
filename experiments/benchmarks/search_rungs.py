"""What rungs save: training seconds until the front is found, on recorded training curves.

A lower rung is the beginning of the full training, as the program runs a trapezoid of fewer epochs
with ``cooldown: 0``: its signal is minus the sum of the losses so far, and a promoted training goes
on from there. A zero-cost score may come first. A search sees one seed of each architecture;
fronts are valued by the mean of all seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from experiments.benchmarks.search_tables import Table
from plugnas.nas.front.pareto import non_dominated
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, create
from plugnas.nas.study.rungs import Promotion, Rungs

Ladder = Sequence[int | str]
"""Epochs of each rung, or the name of a zero-cost score."""

LONGEST = 0.6
"""Seconds after which a search is given up, in those of training everything in full."""

REPEATS = 200


def plans(full: int) -> dict[str, tuple[str, Ladder, Promotion]]:
    """Return sampler, ladder and promotion of each search, by what it is called."""
    ladders: dict[str, list[tuple[str, Ladder]]] = {
        "random": [
            ("4 epochs first", [4, full]),
            ("2 and 6 epochs first", [2, 6, full]),
            ("naswot and 4 epochs first", ["naswot", 4, full]),
            ("naswot, 2 and 6 epochs first", ["naswot", 2, 6, full]),
        ],
        "predictor": [
            ("4 epochs first", [4, full]),
            ("naswot first", ["naswot", full]),
            ("naswot and 4 epochs first", ["naswot", 4, full]),
        ],
    }
    named: dict[str, tuple[str, Ladder, Promotion]] = {}
    for sampler, rows in ladders.items():
        named[f"{sampler}, full"] = sampler, [full], "rank"
        for promotion in get_args(Promotion):
            for name, ladder in rows:
                named[f"{sampler}, {name}, by {promotion}"] = sampler, ladder, promotion
    return named


@dataclass
class Run:
    """A search on a table, with what it had found after how many seconds."""

    table: Table
    ladder: Ladder
    rng: np.random.Generator
    seconds: float = 0.0
    from_scratch: float = 0.0
    finished: dict[int, float] = field(default_factory=dict)  # place -> accuracy as measured
    begun: dict[int, int] = field(default_factory=dict)  # place -> seed
    track: list[list[float]] = field(default_factory=list)

    def train(self, place: int, rung: int) -> tuple[dict[str, float], float]:
        """Count the seconds of a rung of an architecture; return its values and its signal."""
        stage, table = self.ladder[rung], self.table
        trainings = table.trainings[place]
        seed = self.begun.setdefault(place, int(self.rng.integers(len(trainings))))
        if isinstance(stage, str):
            signals, seconds = table.scores[stage]
            self._pay(float(seconds[place]), 0.0)
            return {stage: float(signals[place])}, float(signals[place])
        losses, accuracy = trainings[seed]
        before = self.ladder[rung - 1] if rung else 0
        reused = 0 if isinstance(before, str) else before
        epoch = float(table.seconds[place]) / len(losses)
        self._pay(epoch * stage, epoch * reused)
        if stage == len(losses):
            self.finished[place] = accuracy
            self._note()
        # the accuracy at a lower rung ranks worse than the signal and was not recorded
        value = accuracy if stage == len(losses) else 0.0
        return {"accuracy": value}, -float(sum(losses[:stage]))

    def _pay(self, seconds: float, reused: float) -> None:
        self.seconds += seconds - reused
        self.from_scratch += seconds

    def _note(self) -> None:
        places = np.array(list(self.finished))
        shown = reported(self.table, places, np.array(list(self.finished.values())))
        counts = [float(len(places)), float(len(self.begun))]
        whole = self.table.hypervolume(places)
        self.track.append([whole, shown, self.seconds, self.from_scratch, *counts])


def reported(table: Table, places: np.ndarray, accuracy: np.ndarray) -> float:
    """Return the true hypervolume of the front by measured accuracies."""
    points = np.stack([accuracy, table.load[places]], axis=1)
    return table.hypervolume(places[non_dominated(points, ["max", "min"])])


def compare_rungs(table: Table, seeds: int, goal: float) -> None:
    """Print the training seconds of searches with rungs and without, until three goals.

    ``found``: the true front of what was trained in full holds ``goal`` percent of the table's
    hypervolume. ``early``: 95 percent. ``reported``: the front by measured accuracies, valued
    by true ones, holds ``goal`` percent of what training everything in full once reports.
    """
    everything = float(table.seconds.sum())
    report = _report_of_everything(table)
    goals = {
        "early": (0, 0.95 * table.volume),
        "found": (0, goal / 100 * table.volume),
        "reported": (1, goal / 100 * report),
    }
    full = len(table.trainings[0][0][0])
    tracks: dict[str, list[list[list[float]]]] = {name: [] for name in plans(full)}
    for seed in range(seeds):
        for name, plan in plans(full).items():
            tracks[name].append(_search(table, plan, seed, everything, list(goals.values())))
    print(
        f"\nall {len(table.ids)} in full: {everything:.0f} s; their front by one training each "
        f"holds {100 * report / table.volume:.1f} % of the true one; {seeds} seeds; shares of "
        f"those seconds, median (quartiles)"
    )
    print("search | goal | share | from scratch | full trainings | begun")
    for name, runs in tracks.items():
        for label, (column, volume) in goals.items():
            rows = [_reached(track, column, volume) for track in runs]
            low, middle, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0, method="nearest")
            shares = [
                f"{middle[k] / everything:.3f} ({low[k] / everything:.3f} "
                f"{high[k] / everything:.3f})"
                for k in (0, 1)
            ]
            counts = f"{middle[2]:.0f} | {middle[3]:.0f}"
            print(f"{name} | {label} | {shares[0]} | {shares[1]} | {counts}", flush=True)


def _report_of_everything(table: Table) -> float:
    """Return the median hypervolume reported where everything is trained once in full."""
    rng = np.random.default_rng(0)
    places = np.arange(len(table.ids))
    volumes = []
    for _ in range(REPEATS):
        singles = np.array([float(rng.choice(values)) for values in table.singles])
        volumes.append(reported(table, places, singles))
    return float(np.median(volumes))


def _reached(track: list[list[float]], column: int, volume: float) -> list[float]:
    """Return seconds, those from scratch, full trainings and begun at a goal; inf if never."""
    return next((row[2:] for row in track if row[column] >= volume), [np.inf] * 4)


def _search(
    table: Table,
    plan: tuple[str, Ladder, Promotion],
    seed: int,
    everything: float,
    goals: list[tuple[int, float]],
) -> list[list[float]]:
    """Run one search until it met every goal or is given up; return its track."""
    problem = Problem(table.space, {"accuracy": "max", "flops": "min"}, cost=table, seed=seed)
    name, ladder, promotion = plan
    sampler = create(name, problem)
    rungs = Rungs(problem, len(ladder), promotion=promotion, sampler=sampler, trials=len(table.ids))
    run = Run(table, ladder, np.random.default_rng(10_000 + seed))
    told: list[Measurement] = []
    number = 0
    open_goals = goals
    while open_goals and run.seconds < LONGEST * everything:
        due = rungs.next(told)
        if due is None:
            if number == len(table.ids):
                break
            due = sampler.ask(number), 0
            number += 1
        architecture, rung = due
        values, signal = run.train(table.of(architecture), rung)
        told.append(Measurement(number, architecture, rung, 0, "ok", values, signal=signal))
        sampler.tell(told[-1])
        open_goals = [g for g in open_goals if not run.track or run.track[-1][g[0]] < g[1]]
    return run.track
