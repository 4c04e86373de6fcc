"""Train the front again, longer and with several seeds, and score it on the test images.

  nas confirm runs/digits                        3 seeds, the long recipe
  nas confirm runs/digits --seeds 5 --workers 8  what was confirmed before is kept
  nas confirm runs/digits --show                 what was confirmed so far; trains nothing

As a control, the same number of random architectures within the budget is trained in the same way;
for a host, the unchanged host, and each member with placebos of as many parameters in place of its
plugs. Weights are kept in RUN/confirm/<id>/seed<k>.safetensors, where `nas export` finds them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds of each network (default: 3)")
    parser.add_argument(
        "--epochs", type=int, metavar="N",
        help="epochs of the long recipe (default: as confirmed before, or the job's)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N", help="trainings at a time")
    parser.add_argument("--show", action="store_true", help="train nothing, show the results")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Confirm, and say what it shows."""
    from plugnas.modules import PlugnasError
    from plugnas.nas.cli.progress import Progress
    from plugnas.nas.confirm import confirm, read
    from plugnas.nas.confirm.text import to_text
    from plugnas.nas.run.prepare_again import with_workers
    from plugnas.nas.run.view import open_run

    view = open_run(args.run_dir)
    if args.show:
        if (args.seeds, args.epochs, args.workers) != (None, None, None):
            raise PlugnasError("--show trains nothing: leave out --seeds, --epochs and --workers")
        kept = read(view)
        if kept is None:
            raise PlugnasError(
                f"nothing of {args.run_dir} is confirmed yet; `nas confirm {args.run_dir}` does it"
            )
        print(json.dumps(kept.to_dict(), indent=2) if args.json else to_text(kept))
        return 0
    with Progress() as progress:
        found = confirm(
            with_workers(view, args.workers),
            seeds=args.seeds,
            epochs=args.epochs,
            on_event=[progress],
        )
    if found is None:
        print("nothing confirmed yet; the same command goes on")
        return 130
    print(json.dumps(found.to_dict(), indent=2) if args.json else to_text(found))
    return 130 if found.missing else 0
