"""Show where modules can be plugged into a network, and what fits there.

  nas sites torchvision.models:resnet18 --input 3x224x224    any network that a job could name
  nas sites experiments/host_digits.yaml                     the host of a job, and its own sites
  nas sites runs/host_digits                                 as a run has kept them

A network or a job runs the code that it names; a run directory does not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plugnas.space import SearchSpace
    from plugnas.space.host import HostTrace


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "target", metavar="HOST",
        help="package.module:callable, file.py:callable, timm:NAME, a job file or a run directory",
    )  # fmt: skip
    parser.add_argument(
        "--input", metavar="CxHxW", help="image shape, if no job gives it (default: 3x224x224)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the sites."""
    from plugnas.nas.report.sites import describe, text

    data = describe(*_found(args.target, args.input))
    print(json.dumps(data, indent=2) if args.json else text(data))
    return 0


def _found(target: str, size: str | None) -> tuple[HostTrace, SearchSpace | None]:
    from plugnas.modules import PlugnasError
    from plugnas.nas.report.sites import parse_input
    from plugnas.nas.run.target import open_target
    from plugnas.space.host import HostSource, trace

    if ":" in target and not Path(target).exists():
        shape = parse_input(size or "3x224x224")
        return trace(HostSource(target).build_light(), shape, name=target), None
    if size is not None:
        raise PlugnasError("--input is for a network; a job has the size of its own images")
    space = open_target(Path(target)).space
    if space.host is None:
        raise PlugnasError(f"{target} has no host: its network is a skeleton; see `nas space`")
    return space.host.trace, space
