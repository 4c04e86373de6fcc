"""The table of modules: what each one is worth on four data sets, in a small backbone and in a host.

    OMP_NUM_THREADS=1 python experiments/evidence.py train experiments/evidence/*.yaml --trials 240

trains a balanced set of random networks of each job: every choice of every slot as often as every
other, the reference of a slot as often as the square root of its choices (Dunnett's rule for many
comparisons with one control). The first 100 of 240 are those of 100, and what was trained is kept
(runs/<job>), so jobs can be trained in turn, a little further each time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from plugnas.nas.cli.progress import Progress
from plugnas.nas.explain.design import slots_of
from plugnas.nas.job.config import load
from plugnas.nas.job.prepared import Prepared, prepare
from plugnas.nas.job.workers import evaluator, executor
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.run.directory import RunDirectory, facts_of
from plugnas.nas.study.fixed import measure_all
from plugnas.space import Architecture, SearchSpace


def main() -> None:
    """Train, or make the page of what was trained."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("jobs", type=Path, nargs="+")
    parser.add_argument("--trials", type=int, help="networks of each job in all")
    arguments = parser.parse_args()
    for path in arguments.jobs:
        train(path, arguments.trials)


def train(path: Path, trials: int | None) -> None:
    """Train the first networks of a job's balanced set that are not trained yet."""
    job = load(path)
    run_dir = Path("runs") / path.stem
    prepared = prepare(job, path.parent, run_dir / "costs.json", where=str(path))
    space, data = prepared.space, prepared.dataset
    facts = facts_of(data, path.parent, prepared.device, prepared.outputs, prepared.task.head)
    run = RunDirectory.claim(run_dir, prepared.job, facts)
    with RunLock(run_dir):
        run.write()
        if space.host is not None:
            run.keep_host(space.host.trace)
    measure_all(
        balanced(space, trials or job.trials),
        [job.seed],
        run.ledger,
        space,
        prepared.cost,
        lambda: executor(prepared, evaluator(prepared), None, run_dir),
        objectives=job.objectives,
        about={"sampler": "balanced", "data": data.fingerprint},
        on_event=[Progress()],
    )
    prepared.keep_costs(run_dir / "costs.json")


def balanced(space: SearchSpace, count: int, seed: int = 0) -> list[Architecture]:
    """Return random members in which the choices of each parameter are equally frequent.

    The reference of a slot is as frequent as the square root of its number of choices says. A
    longer list begins with the shorter one.
    """
    rng = np.random.default_rng(seed)
    wanted = [np.ones(len(p.choices)) for p in space.parameters]
    for slot in slots_of(space):
        for j in slot.columns:
            choices = space.parameters[j].choices
            if slot.reference in choices:
                wanted[j][choices.index(slot.reference)] = np.sqrt(len(choices) - 1)
    held = [np.zeros(len(w)) for w in wanted]
    found: dict[Architecture, None] = {}
    while len(found) < count:
        shares = [h / w for h, w in zip(held, wanted, strict=True)]
        odds = {j: np.where(s <= s.min() + 1e-9, 1.0, 1e-9) for j, s in enumerate(shares)}
        row = space.sample_codes(1, rng, odds)
        for j, code in enumerate(row[0]):
            if code >= 0:
                held[j][code] += 1
        found[space.architectures(row)[0]] = None
    return list(found)


if __name__ == "__main__":
    main()
