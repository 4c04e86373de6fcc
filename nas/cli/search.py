"""Search a job's space; stop and start again at any time.

  nas search experiments/digits.yaml              into runs/digits
  nas search job.yaml --trials 500 --workers 8    with more trials and workers than the job
  nas search runs/digits                          continues a run, with the job file kept in it

Ctrl-C ends cleanly; the same command continues where it stopped.

Exit codes: 0 the search is complete, or its time is up; 1 every evaluation failed (a training that
diverged is a result, no failure); 2 something is wrong with the job, the images or the directory;
130 interrupted, to be continued.
"""

from __future__ import annotations

import argparse
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plugnas.nas.job.config import Job
    from plugnas.nas.ledger.measurement import Measurement


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("job", type=Path, metavar="JOB", help="a job file")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="default: runs/<job's name>")
    parser.add_argument("--trials", type=int, metavar="N", help="architectures to evaluate in all")
    parser.add_argument("--timeout", type=float, metavar="S", help="stop after S seconds")
    parser.add_argument("--workers", type=int, metavar="N", help="evaluations at a time")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the search")
    parser.add_argument(
        "--executor", choices=("serial", "local", "ray"), help="where evaluations run"
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="address of a running Ray cluster")


def run(args: argparse.Namespace) -> int:
    """Run the search and say what came of it."""
    from plugnas.nas.cli.progress import Progress
    from plugnas.nas.job.changed import changed
    from plugnas.nas.job_run import run_job
    from plugnas.nas.machine.log import logger
    from plugnas.nas.report.front import to_text
    from plugnas.nas.run.summary import kinds

    job, base, run_dir = _asked(args)
    given = {name: getattr(args, name) for name in ("trials", "timeout", "workers", "seed")}
    job = changed(job, executor=args.executor, address=args.address, **given)
    had: list[int] = []  # architectures finished when this session began

    def show(message: Warning | str, *place: Any, **more: Any) -> None:
        logger.warning(str(message))  # what a ledger left out, without file and line of our code

    with warnings.catch_warnings(), Progress() as progress:
        warnings.showwarning = show
        result = run_job(
            job,
            base,
            run_dir,
            on_event=[
                progress,
                lambda event: had.append(event.study.finished) if event.kind == "begin" else None,
            ],
            where=str(args.job),
        )
    print(to_text(result))
    for kind, count, reason in kinds(result.failures):
        print(f"failed: {count} x {kind}" + (f" ({reason})" if reason != kind else ""))
    again = _again(args)
    if result.reason == "done" and had and had[0] >= job.trials:
        print(f"nothing was left to do: the run has {had[0]} architectures; --trials N adds more")
    if result.reason == "interrupted":
        print(f"interrupted; everything measured is kept. To continue: {again}")
        return 130
    if result.reason == "timeout":
        print(f"time is up; to go on: {again}")
    if result.reason == "exhausted":
        print("every architecture within budget has been evaluated")
    return 1 if _broken(result.measurements) else 0


def _broken(measurements: Sequence[Measurement]) -> bool:
    """Whether nothing succeeded; a training that diverged is a result."""
    from plugnas.nas.ledger.measurement import has_diverged

    return bool(measurements) and not any(m.ok or has_diverged(m) for m in measurements)


def _asked(args: argparse.Namespace) -> tuple[Job, Path, Path]:
    """Return the job, the folder where its paths start, and its run directory.

    In a job's place may stand the directory of an earlier run of one: it is gone on with.
    """
    from plugnas.modules import PlugnasError
    from plugnas.nas.job.config import load
    from plugnas.nas.ledger.lines import LEDGER
    from plugnas.nas.run.directory import RunDirectory

    path: Path = args.job
    folder = path if path.is_dir() else path.parent
    kept = (folder / "job.yaml").is_file() and (folder / LEDGER).is_file()
    if not kept or not (path.is_dir() or path.name == "job.yaml"):
        return load(path), path.parent, args.run_dir or Path("runs") / path.stem
    if args.run_dir is not None:
        raise PlugnasError(
            f"{path} is a run, which goes on in its own directory; leave --run-dir out, or give "
            "the job it was begun with"
        )
    run = RunDirectory.read(folder)
    return run.job, run.base, folder


def _again(args: argparse.Namespace) -> str:
    """Return the same command as one would type it: no option lost, odd names quoted."""
    words = ["nas", "search", str(args.job)]
    for name in ("run_dir", "trials", "timeout", "workers", "seed", "executor", "address"):
        if (value := getattr(args, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)
