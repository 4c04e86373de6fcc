"""Show a job's space: its size, choices, refusals and the range of its costs.

  nas space experiments/digits.yaml
  nas space runs/digits                the space that a run searched, at its budget

The exit code is 2 if nothing meets the budget; then the cheapest architecture found is shown.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("target", type=Path, metavar="JOB", help="a job file or a run directory")
    parser.add_argument(
        "--samples", type=int, default=500, metavar="N",
        help="random architectures for the cost range (default: 500)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print what the space holds; 2 where its budget is out of reach."""
    from plugnas.modules import PlugnasError
    from plugnas.nas.report.space import describe, text
    from plugnas.nas.run.target import open_target

    if args.samples < 1:
        raise PlugnasError(f"--samples must be at least 1, but got {args.samples}")
    data = describe(open_target(args.target), samples=args.samples)
    print(json.dumps(data, indent=2) if args.json else text(data))
    if data["refused"] is not None:
        print(f"nas: {data['refused']}", file=sys.stderr)
        return 2
    return 0
