"""Running a job from its file to its ledger: what ``nas search`` does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.cost.budget import check_budget
from plugnas.nas.cost.network import Unmeasured
from plugnas.nas.cost.table import FIELDS
from plugnas.nas.executors.callbacks import listeners
from plugnas.nas.job.announcement import announcement
from plugnas.nas.job.config import Job
from plugnas.nas.job.known import with_hints
from plugnas.nas.job.prepared import Prepared, prepare
from plugnas.nas.job.remedy import check_job_budget
from plugnas.nas.job.workers import device_of, evaluator, executor, worker_count
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.log import logger
from plugnas.nas.proxy.batches import EXAMPLES, some, spread
from plugnas.nas.run.directory import RunDirectory, facts_of
from plugnas.nas.run.examples import keep_examples
from plugnas.nas.run.view import RunView
from plugnas.nas.samplers import Problem
from plugnas.nas.study.drive import Listener
from plugnas.nas.study.plan import Plan, about, run_plan
from plugnas.space import Architecture
from plugnas.space.placebo import unchanged

if TYPE_CHECKING:
    from plugnas.nas.latency import LatencyTable


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

    Args:
        job: the job as it is written.
        base: where its paths start.
        run_dir: where the run is kept.
        on_event: called with each event of the search.
        where: names the job's file in errors.

    Raises:
        PlugnasError: whatever is wrong with the job, its images, its space or the directory;
            nothing is written before all that is known to be right.
    """
    with _named(where):
        device_of(job)  # what is not to be had is said before images are read
    prepared = prepare(job, base, run_dir / "costs.json", where=where)
    job = prepared.job
    host = prepared.space.host
    said = () if host is None else host.trace.notes
    told = () if job.data is None else (prepared.dataset.describe(), *prepared.dataset.notes)
    for note in (*told, *said):
        logger.info(note)
    with _named(where):
        _check(prepared)
        _check_latency(job, run_dir)
        prepared = prepared.with_earlier(run_dir)
    facts = facts_of(prepared.dataset, base, prepared.device, prepared.outputs, prepared.task.head)
    run = RunDirectory.claim(run_dir, job, facts)
    if run.lacks_ledger:
        logger.warning(
            "%s holds the job of an earlier run but no %s: what that run measured is not known, "
            "and the search begins anew (restore the file to continue)",
            run_dir, run.ledger.name,
        )  # fmt: skip
    with RunLock(run_dir):
        run.write()
        keep_host(run, prepared)
        if prepared.dataset.masked:
            count = job.proxy.rungs[-1].validation_images
            scored = some(prepared.dataset, ["validation"], count, 0)
            keep_examples(run.examples, prepared.dataset, spread(scored, EXAMPLES))
        if job.needs_latency:
            prepared = prepared.with_latency(_latencies(prepared, run))
        prepared, known = with_hints(prepared, run_dir)
        space, cost, problem = prepared.space, prepared.cost, prepared.problem
        check_budget(space, cost, job.limits)
        rungs = len(job.proxy.rungs)
        plan = Plan(
            problem,
            job.trials,
            job.seeds_of_each,
            rungs,
            job.proxy.promotion,
            _controls(problem),
            again=job.seeds == "auto",
        )
        proxy = evaluator(prepared, run.path / "states")
        # Ray reports to its own callbacks; every other executor to ours.
        heard = [] if job.executor_config.name == "ray" else listeners(job.callbacks, run_dir)
        for line in (*announcement(prepared), *known):
            logger.info(line)
        header = about(
            problem,
            trials=job.trials,
            rungs=rungs,
            sampler=job.sampler_config.name,
            data=prepared.dataset.fingerprint,
            **({"from": job.earlier} if job.earlier else {}),
        )
        with Ledger.open(run.ledger, space, cost=cost, about=header) as ledger:
            found, outcome = run_plan(
                plan,
                prepared.sampler(),
                lambda: executor(prepared, proxy, job.evaluation_timeout, run_dir),
                ledger,
                timeout=job.timeout,
                on_event=[*on_event, *heard],
            )
        result = RunView.of(plan, found, outcome, run, ledger.fitted)
        prepared.keep_costs(run_dir / "costs.json")
        if job.needs_latency and result.front and result.reason != "interrupted":
            _measure_front(prepared, result, run_dir / "latency_front.json")
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


def keep_host(run: RunDirectory, prepared: Prepared) -> None:
    """Keep the host's sites and what it costs, so that the run is read without its code."""
    host, counts = prepared.space.host, prepared.cost.host_counts()
    if host is not None and counts is not None:
        known = {name: getattr(counts, name) for name in FIELDS}
        run.keep_host(msgspec.structs.replace(host.trace, counts=known))


def _controls(problem: Problem) -> tuple[Architecture, ...]:
    """Return the host unchanged, which every search on a host measures first."""
    host = unchanged(problem.space)
    found = None if host is None else problem.fitting(host.values)
    return () if found is None else (found,)


def _check(prepared: Prepared) -> None:
    """Find what is wrong with workers, budget, objectives, sampler while nothing is written yet.

    Latency is not known at this point: it counts as 0, so that all else can be checked.
    """
    job = prepared.job
    exact = {name: limit for name, limit in job.limits.items() if name != "latency_ms"}
    check_job_budget(prepared, exact)
    worker_count(job)
    (prepared.with_latency(Unmeasured()) if job.needs_latency else prepared).sampler()


def _check_latency(job: Job, run_dir: Path) -> None:
    """Find what is wrong with runtime, device or dtype, where the search is to measure here."""
    wishes = job.latency or LatencyConfig()
    kept = wishes.table is not None or (run_dir / "latency.json").exists()
    if job.needs_latency and not kept:
        from plugnas.nas.latency import Settings

        Settings(**wishes.conditions).conditions()


def _latencies(prepared: Prepared, run: RunDirectory) -> LatencyTable:
    """Return the table of latencies that the job asks for: kept from before, or measured now."""
    from plugnas.nas.latency import provide_table

    wishes = prepared.job.latency or LatencyConfig()
    if wishes.table is None:
        logger.info(
            "latency of the space's pieces on %s in %s: kept from before, or measured now",
            wishes.device,
            wishes.runtime,
        )
    table = provide_table(
        wishes,
        prepared.space,
        prepared.base,
        run.path / "latency.json",
        on_wait=lambda: logger.info("waiting until no training runs on this machine"),
    )
    logger.info("latencies by %s", table.text())
    return table


def _measure_front(prepared: Prepared, result: RunView, file: Path) -> None:
    """Measure the front's members whole, where the search's device is at hand.

    The search went by sums over pieces; what is kept here is the network's own latency.
    """
    from plugnas.nas.latency import LatencyTable, Settings, measure_architectures

    table = prepared.cost.latency
    if not isinstance(table, LatencyTable) or not table.is_of_this_machine:
        logger.warning("the latency table is another machine's: measure the front there")
        return
    taken, wishes = table.conditions, prepared.job.latency or LatencyConfig()
    settings = Settings(
        device=taken.device,
        runtime=taken.runtime,
        batch=taken.batch,
        threads=taken.threads,
        dtype=taken.dtype,
        memory_format=taken.memory_format,
        rounds=wishes.rounds,
        limit=wishes.limit,
    )
    chosen = [member.architecture for member in result.front]
    report = measure_architectures(prepared.space, chosen, settings)
    write_text(file, json.dumps(report.to_dict(), indent=2))
    logger.info(report.text())
