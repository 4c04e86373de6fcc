"""Measure latency on this device: of some architectures, or a table for a search.

  nas latency runs/digits                             the front of a run, measured whole
  nas latency JOB.yaml --sample 8                     eight random architectures of a job
  nas latency JOB.yaml --architecture largest --architecture random
  nas latency --table JOB.yaml -o pi.json             every piece of the space, for `latency: {table: pi.json}`
  nas latency --table JOB.yaml -o pi.json --extend pi.json     only what that table lacks
  nas latency JOB.yaml --runtime onnxruntime          what is exported, as onnxruntime runs it
  nas latency --as-script FOLDER JOB.yaml             graphs and a script that make the table elsewhere, without torch
  nas latency JOB.yaml --compare pi.json again.json   whether two tables agree within the errors that they state

In every round all candidates run once, in random order, with one thread unless --threads says
otherwise; anchor networks in the same rounds show how the machine drifts. The command waits until
nothing trains on this machine.
"""  # noqa: E501 - commands are not wrapped

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch is slow to import, and `nas --help` needs none of it
    from plugnas.nas.latency import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("target", type=Path, metavar="JOB", help="a job file or a run directory")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--table", action="store_true", help="measure the pieces of the space")
    what.add_argument(
        "--as-script", type=Path, metavar="FOLDER",
        help="write graphs and a script that times them where only onnxruntime is",
    )  # fmt: skip
    what.add_argument(
        "--compare", type=Path, nargs=2, metavar="TABLE",
        help="whether two tables of the space agree; 2 where they do not",
    )  # fmt: skip
    what.add_argument(
        "--architecture",
        action="append",
        default=[],
        metavar="WHICH",
        help="random, random:SEED, smallest, largest, a JSON file, or of a run: an id, best, knee; "
        "may be repeated",
    )
    what.add_argument("--sample", type=int, metavar="N", help="N random architectures")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write JSON here")
    parser.add_argument(
        "--extend", type=Path, metavar="TABLE", help="measure only what is missing in this table"
    )
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: the job's, else cpu)")
    parser.add_argument(
        "--runtime",
        help="torch, or of what is exported onnxruntime, openvino or executorch (default: the "
        "job's, else torch)",
    )
    parser.add_argument("--batch", type=int, help="images per forward (default 1)")
    parser.add_argument("--threads", type=int, help="threads (default 1)")
    parser.add_argument(
        "--rounds", type=int, help="rounds of timing (default: 30 or more, for 20 s)"
    )
    parser.add_argument(
        "--dtype", help="float32, float16, bfloat16 or int8 (default: the job's, else float32)"
    )
    parser.add_argument("--channels-last", action="store_true", help="channels_last memory format")
    parser.add_argument(
        "--limit",
        type=float,
        help="relative error above which nothing is ranked (default: the job's, else 0.05)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random order and of --sample")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print; 2 where the machine is too busy to rank."""
    from plugnas.modules import PlugnasError
    from plugnas.nas.machine.writable import check_file
    from plugnas.nas.run.target import open_target

    if args.sample is not None and args.sample < 1:
        raise PlugnasError(f"--sample is at least 1 architecture, not {args.sample}")
    if args.extend and not args.table:
        raise PlugnasError("--extend adds to a table: give --table too")
    if args.output is not None:
        check_file(args.output, "-o")
    target = open_target(args.target)
    if args.compare is not None:
        return _compare(args, target)
    settings = _settings(args, target.job)
    if args.as_script is not None:
        return _as_script(args.as_script, target, settings)
    if args.table:
        return _table(args, target, settings)
    return _architectures(args, target, settings)


def _settings(args: argparse.Namespace, job: Any) -> Settings:
    """The flags over the job's ``latency:`` section over the defaults."""
    from plugnas.nas.latency import Settings
    from plugnas.nas.latency.config import LatencyConfig

    wishes = job.latency or LatencyConfig()
    conditions: dict[str, Any] = {
        name: getattr(wishes, name) if (given := getattr(args, name)) is None else given
        for name in ("device", "runtime", "batch", "threads", "rounds", "dtype", "limit")
    }
    if args.as_script is not None and args.runtime is None:
        conditions["runtime"] = "onnxruntime"
    return Settings(
        **conditions,
        memory_format="channels_last" if args.channels_last else "contiguous",
        seed=args.seed,
        on_wait=_waiting,
        on_progress=_progress(),
    )


def _as_script(folder: Path, target: Any, settings: Settings) -> int:
    from plugnas.nas.latency.as_script import SCRIPT, write_script

    count = write_script(target.space, folder, settings)
    print(
        f"{folder}: {count} pieces. Copy it to the machine that counts, which needs Python, "
        f"onnxruntime and numpy, run `python {SCRIPT} -o table.json` there, and search with "
        "`latency: {runtime: onnxruntime, table: table.json}`"
    )
    return 0


def _compare(args: argparse.Namespace, target: Any) -> int:
    from plugnas.nas.latency import LatencyTable
    from plugnas.nas.latency.agreement import agreement

    one, other = map(LatencyTable.load, args.compare)
    found = agreement(one, other, target.space, args.seed)
    print(json.dumps(found.to_dict(), indent=2) if args.json else found.text())
    return 0 if found.agrees else 2


def _table(args: argparse.Namespace, target: Any, settings: Settings) -> int:
    from plugnas.nas.latency import LatencyError, LatencyTable, measure_table
    from plugnas.nas.machine.log import logger

    if args.output is None:
        raise LatencyError("a table is a file: say where to, with -o FILE")
    extend = None if args.extend is None else LatencyTable.load(args.extend)
    table = measure_table(target.space, settings, extend=extend)
    table.save(args.output)
    print(json.dumps(table.summary(), indent=2) if args.json else table.text())
    logger.info("wrote %s", args.output)
    return 0


def _architectures(args: argparse.Namespace, target: Any, settings: Settings) -> int:
    from plugnas.nas.latency import measure_architectures
    from plugnas.nas.machine.files import write_text
    from plugnas.nas.run.target import TargetError

    if args.architecture:
        chosen = [target.choose(text) for text in args.architecture]
    elif args.sample is None and target.view is not None:
        chosen = [member.architecture for member in target.view.front]
        if not chosen:
            raise TargetError(f"{args.target} has no front yet; give --sample N")
    else:
        chosen = [target.choose(f"random:{args.seed + i}") for i in range(args.sample or 8)]
    report = measure_architectures(target.space, chosen, settings)
    data = report.to_dict()
    if args.output is not None:
        write_text(args.output, json.dumps(data, indent=2))
    print(json.dumps(data, indent=2) if args.json else report.text())
    return 2 if report.busy else 0


def _waiting() -> None:
    from plugnas.nas.machine.log import logger

    logger.info("waiting until no training runs on this machine")


def _progress() -> Any:
    """Return what prints the number of the round on a terminal; None elsewhere."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, of: int) -> None:
        print(f"\rround {done} of {of}", end="\n" if done == of else "", file=sys.stderr)

    return show
