"""Estimate how long a job's search will take, and how much memory.

  nas plan job.yaml                            times some networks for a few steps of every training
  nas plan job.yaml --trials 500 --workers 8   with more trials and workers than the job says

Networks of the space, cheap and dear ones, make a few real steps at every rung and of the long
training of `nas confirm`, in the job's own workers, which takes seconds to a minute. Nothing is
written. A training function of your own (`evaluate`) cannot be timed in this way.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("job", type=Path, metavar="JOB", help="a job file")
    parser.add_argument("--trials", type=int, metavar="N", help="architectures to evaluate in all")
    parser.add_argument("--workers", type=int, metavar="N", help="evaluations at a time")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Rehearse the job, and say what it will take."""
    begun = time.perf_counter()
    from plugnas.nas.job.changed import changed
    from plugnas.nas.job.config import load
    from plugnas.nas.job.forecast import forecast
    from plugnas.nas.job.forecast_text import as_dict, as_text
    from plugnas.nas.job.prepared import prepare

    job = changed(load(args.job), trials=args.trials, workers=args.workers)
    found = forecast(prepare(job, args.job.parent, where=str(args.job)), begun)
    print(json.dumps(as_dict(found), indent=2) if args.json else as_text(found, str(args.job)))
    return 0
