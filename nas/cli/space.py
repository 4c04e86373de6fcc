"""Show a job's space: its size, choices, refusals and the range of its costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("job", type=Path, metavar="JOB", help="a job file")
    parser.add_argument("--samples", type=int, default=500, help="architectures for the cost range")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print what the job's space holds."""
    from modules import PlugnasError
    from nas import job as jobs
    from nas.preparation import prepare
    from nas.space_report import describe, text

    if args.samples < 1:
        raise PlugnasError(f"--samples must be at least 1, but got {args.samples}")
    prepared = prepare(jobs.load(args.job), args.job.parent, where=str(args.job))
    data = describe(prepared, samples=args.samples)
    print(json.dumps(data, indent=2) if args.json else text(data))
    return 0
