"""Running a job from its file to its ledger: what ``nas search`` does."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.budget import check_budget
from plugnas.nas.cost.network import Unmeasured
from plugnas.nas.executors.callbacks import listeners
from plugnas.nas.job.announcement import announcement
from plugnas.nas.job.config import Job
from plugnas.nas.job.prepared import Prepared, prepare
from plugnas.nas.job.remedy import check_job_budget
from plugnas.nas.job.rungs import with_rungs
from plugnas.nas.job.workers import device_of, evaluator, executor, worker_count
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.log import logger
from plugnas.nas.run.directory import RunDirectory, facts_of
from plugnas.nas.run.view import RunView
from plugnas.nas.samplers import Problem, Sampler
from plugnas.nas.samplers import create as create_sampler
from plugnas.nas.study.drive import Listener
from plugnas.nas.study.plan import Plan, about, run_plan
from plugnas.space import Architecture


def run_job(
    job: Job,
    base: Path,
    run_dir: Path,
    *,
    on_event: Sequence[Listener] = (),
    where: str | None = None,
) -> RunView:
    """Search as a job says, in ``run_dir``; an earlier run of the job there is continued.

    ``base`` is where the job's paths start; ``where`` names the job's file in errors. What the
    user should see on the way goes to the logger ``plugnas``.

    Raises:
        PlugnasError: whatever is wrong with the job, its images, its space or the directory;
            nothing is written before all that is known to be right.
    """
    with _named(where):
        device = device_of(job)
    prepared = prepare(job, base, run_dir / "costs.json", where=where)
    job = with_rungs(prepared)
    host = prepared.space.host
    said = () if host is None else host.trace.notes
    told = () if job.data is None else (prepared.dataset.describe(), *prepared.dataset.notes)
    for note in (*told, *said):
        logger.info(note)
    with _named(where):
        _check(job, prepared)
    outputs = prepared.task.outputs(prepared.dataset)
    run = RunDirectory.claim(run_dir, job, facts_of(prepared.dataset, base, device, outputs))
    if run.lacks_ledger:
        logger.warning(
            "%s holds the job of an earlier run but no %s: what that run measured is not known, "
            "and the search begins anew (restore the file to continue)",
            run_dir, run.ledger.name,
        )  # fmt: skip
    with RunLock(run_dir):
        run.write()
        _keep_host(run, prepared)
        cost = _with_latency(job, prepared, run)
        problem = _problem(job, prepared, cost)
        check_budget(prepared.space, cost, job.limits)
        sampler = _sampler(job, problem)
        rungs = len(job.proxy.rungs)
        plan = Plan(problem, job.trials, job.seeds, rungs, job.proxy.promotion, _controls(problem))
        proxy = evaluator(job, prepared, device, run.path / "states")
        # Ray reports to its own callbacks; every other executor to ours.
        ray = {"callbacks": job.callbacks, "run_dir": run_dir, "cost": cost}
        make = functools.partial(executor, job, proxy, job.evaluation_timeout, ray)
        heard = [] if job.executor_config.name == "ray" else listeners(job.callbacks, run_dir)
        for line in announcement(job, prepared, device):
            logger.info(line)
        header = about(problem, trials=job.trials, rungs=rungs, sampler=job.sampler_config.name)
        with Ledger.open(run.ledger, prepared.space, cost=cost, about=header) as ledger:
            found, outcome = run_plan(
                plan, sampler, make, ledger, timeout=job.timeout, on_event=[*on_event, *heard]
            )
        result = RunView.of(plan, found, outcome, run, ledger.fitted)
        prepared.keep_costs(run_dir / "costs.json")
        if job.needs_latency and result.front and result.reason != "interrupted":
            _measure_front(job, cost, result, run_dir / "latency_front.json")
        if job.confirm is not None and result.front and result.reason in ("done", "exhausted"):
            from plugnas.nas.confirm import confirm

            confirm(result, on_event=on_event)
        return result


@contextlib.contextmanager
def _named(where: str | None) -> Iterator[None]:
    """Put the job's file before what is wrong with the job."""
    try:
        yield
    except PlugnasError as error:
        raise error if where is None else PlugnasError(f"{where}: {error}") from None


def _keep_host(run: RunDirectory, prepared: Prepared) -> None:
    """Keep the host's sites and what it costs, so that the run is read without its code."""
    host, counts = prepared.space.host, prepared.cost.host_counts()
    if host is not None and counts is not None:
        known = {
            name: getattr(counts, name) for name in ("params", "macs", "elementwise", "memory")
        }
        run.keep_host(msgspec.structs.replace(host.trace, counts=known))


def _controls(problem: Problem) -> tuple[Architecture, ...]:
    """Return the host unchanged, which every search on a host measures first."""
    host = problem.space.host
    values = None if host is None else host.unchanged()
    found = None if values is None else problem.fitting(values)
    return () if found is None else (found,)


def _problem(job: Job, prepared: Prepared, cost: NetworkCost) -> Problem:
    return Problem(
        space=prepared.space,
        objectives=job.objectives,
        budget=job.limits,
        cost=cost,
        seed=job.seed,
        levels=job.levels,
    )


def _sampler(job: Job, problem: Problem) -> Sampler:
    return create_sampler(job.sampler_config.name, problem, **job.sampler_config.options)


def _check(job: Job, prepared: Prepared) -> None:
    """Find what is wrong with workers, budget, objectives, sampler while nothing is written yet.

    Latency is not known at this point: it counts as 0, so that all else can be checked.
    """
    exact = {name: limit for name, limit in job.limits.items() if name != "latency_ms"}
    check_job_budget(prepared, exact)
    worker_count(job)
    cost = prepared.cost
    if job.needs_latency:
        cost = NetworkCost(prepared.space, prepared.cost.table, Unmeasured())
    _sampler(job, _problem(job, prepared, cost))


def _with_latency(job: Job, prepared: Prepared, run: RunDirectory) -> NetworkCost:
    """Return the cost model, with a table of latencies where the job asks for them."""
    if not job.needs_latency:
        return prepared.cost
    from plugnas.nas.latency import provide_table

    wishes = job.latency or LatencyConfig()
    if wishes.table is None:
        logger.info(
            "latency of the space's pieces on %s in %s: kept from before, or measured now",
            wishes.device, wishes.runtime,
        )  # fmt: skip
    table = provide_table(
        wishes,
        prepared.space,
        prepared.base,
        run.path / "latency.json",
        on_wait=lambda: logger.info("waiting until no training runs on this machine"),
    )
    logger.info("latencies are those of %s", table.conditions)
    return NetworkCost(prepared.space, prepared.cost.table, table)


def _measure_front(job: Job, cost: NetworkCost, result: RunView, file: Path) -> None:
    """Measure the front's members whole, where the search's device is at hand.

    The search went by sums over pieces; what is kept here is the network's own latency.
    """
    from plugnas.nas.latency import LatencyTable, Settings, measure_architectures

    table = cost.latency
    if not isinstance(table, LatencyTable) or not table.is_of_this_machine:
        logger.warning("the latency table is another machine's: measure the front there")
        return
    taken, wishes = table.conditions, job.latency or LatencyConfig()
    settings = Settings(
        device=taken.device,
        runtime=taken.runtime,
        batch=taken.batch,
        threads=taken.threads,
        dtype=taken.dtype,
        memory_format=taken.memory_format,
        rounds=wishes.rounds,
    )
    chosen = [member.architecture for member in result.front]
    report = measure_architectures(cost.space, chosen, settings)
    write_text(file, json.dumps(report.to_dict(), indent=2))
    logger.info(report.text())
