"""The table of modules: what each is worth on four data sets, in a small backbone and in a host.

    OMP_NUM_THREADS=1 python experiments/evidence.py train experiments/evidence/*.yaml --trials 160
    python experiments/evidence.py keep runs/{backbone,host}_{digits,cifar10,signs,steel}
    python experiments/evidence.py page

``train`` trains a balanced set of random networks of each job: every choice of every slot as often
as every other, a slot's reference as often as the square root of the number of its other choices
says (Dunnett, 1955: many comparisons with one control). The jobs of four data sets begin at
different quarters of one list (their ``seed``), so that few trainings of each already try all
modules; what was trained is kept (runs/<job>), so that jobs can be trained in turn, a little
further each time. ``keep`` writes a line for each training into the record. ``page`` fits the model
of evidence_model.py to them and to earlier recorded searches, and writes docs/evidence.md, its
picture and effects.json.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import evidence_source as source
import numpy as np
from evidence_page import write_page

from plugnas.nas.cli.progress import Progress
from plugnas.nas.explain.design import slots_of
from plugnas.nas.job.config import load
from plugnas.nas.job.prepared import prepare
from plugnas.nas.job.workers import evaluator, executor
from plugnas.nas.job_run import keep_host
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.run.directory import RunDirectory, facts_of
from plugnas.nas.run.view import open_run
from plugnas.nas.study.fixed import measure_all
from plugnas.space import Architecture, SearchSpace

HERE = Path(__file__).parent
RECORD = HERE / "records" / "2026-11-27_evidence"


def main() -> None:
    """Train, keep what was trained, or make the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    training = steps.add_parser("train")
    training.add_argument("jobs", type=Path, nargs="+")
    training.add_argument("--trials", type=int, help="networks of each job in all")
    steps.add_parser("keep").add_argument("runs", type=Path, nargs="+")
    steps.add_parser("page")
    arguments = parser.parse_args()
    if arguments.step == "train":
        for path in arguments.jobs:
            if train(path, arguments.trials) == "interrupted":
                break
    elif arguments.step == "keep":
        for path in arguments.runs:
            keep(path)
    else:
        write_page(RECORD, HERE.parent / "docs")


def keep(path: Path) -> None:
    """Write the trainings of a run into the record; of a backbone also what modules cost."""
    view = open_run(path)
    RECORD.mkdir(exist_ok=True)
    source.keep(view, RECORD / f"{path.name}.csv")
    if view.space.host is None:
        lines = json.dumps(source.added(view.space), indent=1)
        (RECORD / "costs.json").write_text(lines + "\n")


def train(path: Path, trials: int | None) -> str:
    """Train the first networks of a job's balanced set that are not trained yet.

    Returns how it ended: ``done`` or ``interrupted``.
    """
    job = load(path)
    run_dir = Path("runs") / path.stem
    prepared = prepare(job, path.parent, run_dir / "costs.json", where=str(path))
    space, data = prepared.space, prepared.dataset
    facts = facts_of(data, path.parent, prepared.device, prepared.outputs, prepared.task.head)
    run = RunDirectory.claim(run_dir, prepared.job, facts)
    with RunLock(run_dir):
        run.write()
        keep_host(run, prepared)
    outcome = measure_all(
        _begun_at(balanced(space, job.trials), job.seed)[:trials],
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
    return outcome.reason


def _begun_at(networks: list[Architecture], quarter: int) -> list[Architecture]:
    start = len(networks) * quarter // 4
    return networks[start:] + networks[:start]


def balanced(space: SearchSpace, count: int) -> list[Architecture]:
    """Return random members in which the choices of each parameter are equally frequent.

    Choices are drawn from a bag that holds each of them once, and is filled again when empty.
    The reference of a slot is as frequent as the square root of the number of the others says. A
    longer list begins with the shorter one.
    """
    rng = np.random.default_rng(0)
    wanted = [np.ones(len(p.choices)) for p in space.parameters]
    for slot in slots_of(space):
        for j in slot.columns:
            choices = space.parameters[j].choices
            if slot.reference in choices:
                wanted[j][choices.index(slot.reference)] = round(math.sqrt(len(choices) - 1))
    bags = [np.zeros(len(w)) for w in wanted]
    found: dict[Architecture, None] = {}
    for _ in range(20 * count):  # a small space may not have so many
        if len(found) == count:
            break
        bags = [b if b.any() else w.copy() for b, w in zip(bags, wanted, strict=True)]
        row = space.sample_codes(1, rng, {j: b + 1e-9 for j, b in enumerate(bags)})
        for j, code in enumerate(row[0]):
            if code >= 0:
                bags[j][code] = max(0.0, bags[j][code] - 1)
        found[space.architectures(row)[0]] = None
    return list(found)


if __name__ == "__main__":
    main()
