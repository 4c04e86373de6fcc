"""Train the front again, long and under several seeds, and score it on images never seen.

  nas confirm runs/digits                        3 seeds, the long recipe
  nas confirm runs/digits --seeds 5 --workers 8  what was confirmed before is kept

As a control the same number of random architectures within budget is treated alike. Weights are
kept in RUN/confirm/<id>/seed<k>.safetensors, where `nas export` finds them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--seeds", type=int, metavar="N", help="trainings of each (default: 3)")
    parser.add_argument("--epochs", type=int, metavar="N", help="of the long recipe")
    parser.add_argument("--workers", type=int, metavar="N", help="trainings at a time")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Confirm, and say what it shows."""
    from nas import front_report
    from nas.confirm import confirm
    from nas.confirm.text import to_text
    from nas.listed import with_workers
    from nas.progress import Progress
    from nas.run_directory import RunDirectory

    directory = with_workers(RunDirectory.read(args.run_dir), args.workers)
    found = confirm(
        front_report.RunView.open(directory),
        seeds=args.seeds,
        epochs=args.epochs,
        on_event=Progress(sys.stderr),
        notify=lambda text: print(text, file=sys.stderr),
    )
    if found is None:
        print("nothing confirmed yet; the same command goes on")
        return 130
    print(json.dumps(found.to_dict(), indent=2) if args.json else to_text(found))
    return 130 if found.missing else 0
