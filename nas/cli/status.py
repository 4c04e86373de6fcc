"""Show the progress of a run: trials, rate, the front so far, failures by reason."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the state of the run; works while it is searched and afterwards."""
    from plugnas.nas.run.status import as_dict, as_text, status

    state = status(args.run_dir)
    print(json.dumps(as_dict(state), indent=2) if args.json else as_text(state))
    return 0
