"""Show a run in optuna-dashboard, in the browser.

The studies are rebuilt from the ledger as it is now, one for each rung; start the command again to
see newer measurements.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on")
    parser.add_argument("--port", type=int, default=8080, help="port to serve on")


def run(args: argparse.Namespace) -> int:
    """Serve the dashboard until Ctrl-C."""
    from plugnas.nas.machine.log import logger
    from plugnas.nas.report.dashboard import serve
    from plugnas.nas.run.view import open_run

    view = open_run(args.run_dir)
    if view.left_out is not None:
        logger.warning(view.left_out)
    serve(view, args.host, args.port)
    return 0
