"""Tell which module pays, in which slot, at equal cost, and how sure that is.

  nas explain runs/digits                                   from all that was measured
  nas explain runs/digits --settle attention --trials 48    the controlled experiment first

A verdict is `pays` where the whole 95 % interval is above 0, `does not pay` where it is below 0 or
within 0.2 points of it, else `not enough evidence`. --settle trains networks that differ in that
slot alone, side by side and under several seeds, within the trials that the job leaves. In a host a
slot is a site (`--settle layer3`), and the host unchanged and a placebo are among the choices.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--settle", metavar="SLOT", help="measure matched pairs of this slot first")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds of each pair (default: 3)")
    parser.add_argument(
        "--trials", type=int, metavar="N", help="trainings at most (default: what is left)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="evaluations at a time")


def run(args: argparse.Namespace) -> int:
    """Explain, after the controlled experiment if one is asked for."""
    from plugnas.modules import PlugnasError
    from plugnas.nas.cli.progress import Progress
    from plugnas.nas.explain.report import explain_run, slot_named
    from plugnas.nas.explain.settle import settle
    from plugnas.nas.run.prepare_again import with_workers
    from plugnas.nas.run.view import open_run

    for name in ("seeds", "trials", "workers"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise PlugnasError(f"--{name} must be at least 1, but got {value}")
    if not args.settle and (args.seeds, args.trials, args.workers) != (None, None, None):
        raise PlugnasError(
            "--seeds, --trials and --workers are of the experiment that --settle SLOT runs"
        )
    view = with_workers(open_run(args.run_dir), args.workers)
    if args.settle:
        slot = slot_named(view, args.settle)
        with Progress() as progress:
            outcome = settle(
                view, slot, seeds=args.seeds or 3, trials=args.trials, on_event=[progress]
            )
        if outcome.reason == "interrupted":
            print("interrupted; everything measured is kept, the same command goes on")
            return 130
    found = explain_run(view)
    print(json.dumps(found.to_dict(), indent=2) if args.json else found.to_text())
    return 0
