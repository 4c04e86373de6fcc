"""Show a run in the browser while it goes on: front, trials, curves, failures, time left.

  nas watch runs/digits        prints the address to open; Ctrl-C ends the page, not the search

The page is the run's report.html, renewed with each measurement. It is served on 127.0.0.1 only,
under an address with a random token. Stop does what Ctrl-C does to the search, Resume what
`nas search RUN` does; each button is shown only where this machine can do it.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--port", type=int, default=0, help="port to serve on (default: any that is free)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from plugnas.nas.report.live import Live
    from plugnas.nas.report.watch import serve

    def tell(address: str) -> None:
        print(f"{address}\nCtrl-C ends this page; the search goes on", flush=True)

    serve(Live(args.run_dir), args.port, tell)
    return 0
