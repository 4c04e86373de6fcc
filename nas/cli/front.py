"""Show a run's Pareto front: table, CSV, picture, page.

  nas front runs/digits                         the table; writes front.csv, front.png, report.html
  nas front runs/digits --budget flops=2M       only what costs at most that
  nas front runs/digits --x latency_ms          another cost beside the main objective
  nas front runs/digits --control runs/random   how much better than random search

A front holds the architectures that no other beats in every objective, at the highest rung. Of
equal ones the first one measured is kept; failed evaluations and lower rungs are left out.
"""

from __future__ import annotations

import argparse
import gc
import json
from dataclasses import replace
from pathlib import Path
from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--x",
        metavar="COST",
        help="the cost shown beside the main objective: flops, params, memory, latency_ms, ...",
    )
    parser.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="COST=LIMIT",
        help="instead of the job's budget; may be repeated",
    )
    parser.add_argument(
        "--control", type=Path, metavar="RUN",
        help="a run of the same job with `sampler: random`, shown beside this one on the page",
    )  # fmt: skip
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print JSON, write nothing")
    shape.add_argument("--csv", action="store_true", help="print CSV, write nothing")


def run(args: argparse.Namespace) -> int:
    """Print the front and, without --json or --csv, write its files."""
    from plugnas.nas.machine.collection import no_collection

    with no_collection():  # a long run has a million objects, and all of them stay
        code = _show(args)
        gc.freeze()  # nor is what is left of them searched when the process ends
        return code


def _show(args: argparse.Namespace) -> int:
    from plugnas.nas.report import front as front_report
    from plugnas.nas.run.view import open_run

    budget = _budget(args.budget) if args.budget else None
    view = open_run(args.run_dir, budget=budget)
    if args.x:
        _recorded(args.x, view)
        view = replace(view, objectives={view.metric.name: view.metric.direction, args.x: "min"})
    control = _control(args, view)
    if args.json:
        print(json.dumps(front_report.to_json(view), indent=2))
    elif args.csv:
        print(front_report.to_csv(view), end="")
    else:
        from plugnas.nas.report.files import write_files

        print(front_report.to_text(view))
        for written in write_files(view, control):
            print(f"wrote {written}")
    return 0


def _recorded(name: str, view: Any) -> None:
    """Refuse a cost that the run did not record, rather than show an empty front."""
    from plugnas.modules import PlugnasError, did_you_mean

    if name not in view.costs:
        hint = did_you_mean(name, view.costs)
        if name == "latency_ms":
            hint = "; put it into the job's objectives or budget"
        raise PlugnasError(
            f"--x is a cost, but the run recorded no `{name}` (it has: "
            f"{', '.join(view.costs)}){hint}"
        )


def _control(args: argparse.Namespace, view: Any) -> Any:
    """Open and check the control before anything is printed or written."""
    from plugnas.modules import PlugnasError
    from plugnas.nas.report.random_search import check_control
    from plugnas.nas.run.view import open_run

    if args.control is None:
        return None
    if args.json or args.csv:
        raise PlugnasError("--control is shown on the page; leave out --json and --csv")
    control = open_run(args.control, view.objectives, view.budget)
    check_control(view, control)
    return control


def _budget(pairs: list[str]) -> dict[str, float]:
    from plugnas.modules import PlugnasError
    from plugnas.nas.cost.quantity import quantity

    budget: dict[str, float] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise PlugnasError(f"--budget takes COST=LIMIT, such as flops=5M, not `{pair}`")
        if name in budget:
            raise PlugnasError(f"--budget gives two limits of {name}; leave one of them")
        budget[name] = quantity(value, f"--budget {name}")
    return budget
