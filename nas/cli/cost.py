"""Show what an architecture costs, part by part.

  nas cost experiments/digits.yaml                           a random architecture of the job
  nas cost experiments/digits.yaml --architecture largest    or smallest, random:7, a JSON file
  nas cost runs/digits --architecture knee                   one that a run has measured, or its id

Counted exactly and without training, in the deploy form. Latency is shown where the job names a
table or the run has kept one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("target", type=Path, metavar="JOB", help="a job file or a run directory")
    parser.add_argument(
        "--architecture",
        default="random",
        metavar="WHICH",
        help="random, random:SEED, smallest, largest, a JSON file, or of a run: an id, best, knee",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16", "int8"),
        help="count RAM and flash of a device in this number format (default: the job's, where it "
        "limits them)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print the breakdown."""
    from plugnas.nas.cost import NetworkCost
    from plugnas.nas.cost.by_part import breakdown, breakdown_text
    from plugnas.nas.run.target import open_target

    target = open_target(args.target)
    architecture = target.choose(args.architecture)
    dtype = args.dtype or target.job.device_dtype
    model = NetworkCost(target.space, latency=target.latency_table(), dtype=dtype)
    if args.json:
        print(json.dumps(breakdown(model, architecture), indent=2))
    else:
        print(breakdown_text(model, architecture))
    return 0
