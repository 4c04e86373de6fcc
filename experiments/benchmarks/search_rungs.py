"""What rungs save: training seconds until the front is found, on recorded trainings."""

from __future__ import annotations

import numpy as np

from experiments.benchmarks.search_tables import Table
from nas.records import Measurement, Task
from nas.rungs import Rungs
from nas.samplers import Problem, create


def compare_rungs(table: Table, seeds: int, goal: float) -> None:
    """Print the training seconds of searches with rungs and without.

    ``all`` trains every architecture in full. The others stop when the architectures that reached
    the last rung hold ``goal`` percent of the hypervolume. A promoted training starts from scratch
    here, which is the dearer way.
    """
    trained = [r for r, (_, accuracy, _) in enumerate(table.rungs) if accuracy is not None]
    last = trained[-1]
    everything = float(table.rungs[last][2].sum())
    plans: dict[str, tuple[str, list[int], float]] = {
        "random, full": ("random", [last], 3),
        "random, rungs": ("random", trained, 3),
        "predictor, full": ("predictor", [last], 3),
        "predictor, rungs": ("predictor", trained, 3),
        "predictor, last two rungs": ("predictor", trained[-2:], 3),
        "predictor, naswot first": ("predictor", [1, *trained[-2:]], 3),
    }
    rows: dict[str, list[list[float]]] = {name: [] for name in plans}
    for seed in range(seeds):
        for name, (sampler, ladder, eta) in plans.items():
            rows[name].append(_seconds(table, sampler, ladder, eta, seed, goal))
    print(f"\nall {len(table.ids)} in full: {everything:.0f} s; to {goal:g} % of the hypervolume:")
    print("search | seconds, median (quartiles) | share of all in full | full trainings | begun")
    for name, row in rows.items():
        low, middle, high = np.quantile(np.array(row), (0.25, 0.5, 0.75), axis=0, method="nearest")
        print(
            f"{name} | {middle[0]:.0f} ({low[0]:.0f} {high[0]:.0f}) | "
            f"{middle[0] / everything:.3f} | {middle[1]:.0f} | {middle[2]:.0f}",
            flush=True,
        )


def _seconds(
    table: Table, name: str, ladder: list[int], eta: float, seed: int, goal: float
) -> list[float]:
    """Return the seconds, full trainings and architectures begun until the goal."""
    problem = Problem(table.space, {"accuracy": "max", "flops": "min"}, cost=table, seed=seed)
    sampler, rungs = create(name, problem), Rungs(problem, len(ladder), eta)
    rng = np.random.default_rng(10_000 + seed)
    told: list[Measurement] = []
    finished: list[int] = []
    seconds, begun = 0.0, 0
    while True:
        due = rungs.next(told, ())
        if due is not None:
            architecture, rung = due
        elif begun < len(table.ids):
            architecture, rung = sampler.ask(begun), 0
            begun += 1
        else:  # everything began and nothing is due: the rest of the last rung, best first
            return [np.inf, float(len(finished)), float(begun)]
        task = Task(begun, architecture, rung, 0)
        place = table.of(architecture)
        signal, accuracy, cost = table.rungs[ladder[rung]]
        single = int(rng.integers(signal.shape[1]))
        values = {} if accuracy is None else {"accuracy": float(accuracy[place, single])}
        measurement = Measurement(
            task.number, architecture, rung, 0, "ok", values, signal=float(signal[place, single])
        )
        told.append(measurement)
        sampler.tell(measurement)
        seconds += float(cost[place])
        if rung == len(ladder) - 1:
            finished.append(place)
            if 100 * table.hypervolume(np.array(finished)) / table.volume >= goal:
                return [seconds, float(len(finished)), float(begun)]
