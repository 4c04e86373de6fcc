"""List the zoo, or show one module.

nas modules                          every module, by slot and family
nas modules --slot attention         one slot
nas modules cbam --site 32x16x16     one module: what it computes, its settings and their cost
nas modules cbam --runtimes          which runtimes take it, tried now; without a KEY every module
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

LEAST = (25, 4, 7, 7, 7, 16)
"""Widths of the listing's columns, the same for every slot."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("key", nargs="?", metavar="KEY", help="show this module in full")
    parser.add_argument(
        "--site", default="64x32x32", help="C x H x W for costs (default %(default)s)"
    )
    parser.add_argument("--slot", help="list only this slot")
    parser.add_argument("--family", help="list only this family")
    parser.add_argument(
        "--runtimes", action="store_true",
        help="export modules, run them in every runtime installed, and compare with eager torch",
    )  # fmt: skip
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="with --runtimes: write JSON here; "
        "interrupted, the command goes on from FILE.part when it is given again",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print JSON")
    shape.add_argument("--markdown", action="store_true", help="print the text of docs/zoo.md")


def run(args: argparse.Namespace) -> int:
    """Print the listing or one module."""
    from plugnas import modules
    from plugnas.nas.report import zoo as zoo_report

    site = zoo_report.parse_site(args.site)
    narrowed = args.slot or args.family
    if (args.key is not None and narrowed) or (args.markdown and (args.key or narrowed)):
        raise modules.PlugnasError(
            "--slot and --family narrow the listing; a KEY shows one module, and --markdown is "
            "the whole zoo: give one of these"
        )
    if args.runtimes:
        return _runtimes(args)
    if args.markdown:
        print(zoo_report.markdown(site), end="")
        return 0
    if args.key is not None:
        data = zoo_report.describe_fully(modules.get(args.key), site)
        print(json.dumps(data, indent=2) if args.json else _page(data))
        return 0
    _check("slot", args.slot, list(modules.SLOTS))
    _check("family", args.family, sorted({e.family for e in modules.entries()}))
    listed = [zoo_report.describe(e, site) for e in modules.entries(args.slot, args.family)]
    print(json.dumps(listed, indent=2) if args.json else _listing(listed))
    return 0


def _runtimes(args: argparse.Namespace) -> int:
    """Try modules in the runtimes that are here, and print or write what came of it."""
    from plugnas import modules
    from plugnas.nas.machine.files import write_text
    from plugnas.nas.machine.writable import check_file
    from plugnas.nas.report import runtimes

    if args.output is not None:
        check_file(args.output, "-o")
    found = modules.entries(args.slot, args.family)
    entries = found if args.key is None else [modules.get(args.key)]
    tty = sys.stderr.isatty()
    part = None if args.output is None else args.output.with_name(f"{args.output.name}.part")
    on_module = (lambda key: print(key, file=sys.stderr)) if tty else None
    matrix = runtimes.made(entries, on_module, part)
    if args.output is not None and part is not None:
        write_text(args.output, runtimes.to_json(matrix))
        part.unlink(missing_ok=True)
    print(runtimes.to_json(matrix) if args.json else runtimes.text(matrix))
    return 0


def _check(word: str, value: str | None, known: list[str]) -> None:
    from plugnas.modules import PlugnasError, did_you_mean

    if value is not None and value not in known:
        hint = did_you_mean(value, known)
        raise PlugnasError(f"no {word} `{value}`{hint} (there are: {', '.join(known)})")


def _listing(rows: list[dict[str, Any]]) -> str:
    from plugnas.nas.machine.table import text_table

    lines: list[str] = []
    for slot, of_slot in groupby(rows, key=lambda row: row["slot"]):
        cells = []
        for family, of_family in groupby(of_slot, key=lambda row: row["family"]):
            cells.append([f" {family}", *[""] * 6])
            cells += [_row(row) for row in of_family]
        head = (slot.upper(), "year", "params", "FLOPs", "elem.", "source", "choices")
        lines += ["", *text_table(head, cells, align="lrrrrll", least=LEAST)]
    at = f" at {rows[0]['site']}, batch 1; 1 MAC = 2 FLOPs" if rows else ""
    return "\n".join(
        [*lines[1:], "", f"{len(rows)} modules{at}. `nas modules KEY` shows one in full."]
    )


def _row(row: dict[str, Any]) -> list[str]:
    from plugnas.nas.report.zoo import choices_text

    source = re.split(r"[,;(]", row["paper"] or "")[0].strip()
    choices = choices_text(row["choices"])
    return [f"  {row['key']}", str(row["year"] or ""), *_costs(row["cost"]), source, choices]


def _costs(cost: dict[str, Any]) -> list[str]:
    from plugnas.nas.cost.quantity import short

    if "refused" in cost:
        return ["refused", "", ""]
    return [short(cost[what]) for what in ("params", "flops", "elementwise")]


def _costs_or_reason(row: dict[str, Any]) -> list[str]:
    if "refused" in row:
        return ["", "", "", f"refused: {row['refused']}"]
    return [*_costs(row), ""]


def _page(data: dict[str, Any]) -> str:
    source = ", ".join(str(x) for x in (data["paper"], data["year"]) if x)
    aliases = f", also known as {', '.join(data['aliases'])}" if data["aliases"] else ""
    lines = [
        f"{data['key']}: {data['name']}" + (f" ({source})" if source else ""),
        f"slot {data['slot']}, family {data['family']}{aliases}; "
        f"can stand in: {', '.join(data['stands_in'])}",
        "",
        data["signature"],
        f"forward: {data['contract']}",
        "",
        data["documentation"],
        "",
        *_origin(data),
        *_settings(data),
        "",
        "export: " + "; ".join(f"{f}: {v}" for f, v in data["export"].items()),
    ]
    if data["deploy_form"]:
        lines.append("deploy form: its own, through modules.fuse")
    return "\n".join(lines)


def _origin(data: dict[str, Any]) -> list[str]:
    """Where the authors publish code, or why no place is named."""
    from plugnas.nas.report.zoo import licence_text

    own = "the module here is written from the paper's formulas"
    if not data["origin"]:
        told = [data["no_origin"] or "no origin is recorded", *([own] if data["paper"] else [])]
        return ["; ".join(told), ""]
    place, _, licence = data["origin"].partition(", ")
    return [f"the authors' code: https://{place} ({licence_text(licence)}); {own}", ""]


def _settings(data: dict[str, Any]) -> list[str]:
    """A line per setting with its cost, the default marked; then what depends on what."""
    from plugnas.nas.machine.table import text_table

    rows = data["settings"]
    names = [", ".join(f"{k}={v}" for k, v in row["setting"].items()) or "-" for row in rows]
    cells = [
        [
            f"{'*' if row['default'] else ' '} {name}",
            *(
                ["", "", "", f"refused: {row['refused']}"]
                if "refused" in row
                else [*_costs(row), ""]
            ),
        ]
        for name, row in zip(names, rows, strict=True)
    ]
    head = (f"cost at {data['site']}, batch 1", "params", "FLOPs", "elem.", "")
    lines = text_table(head, cells, align="lrrrl")
    lines.append("* the default; costs are those of the deploy form, 1 MAC = 2 FLOPs")
    for name, rule in data["only_with"].items():
        values = " or ".join(map(str, rule["values"]))
        lines.append(f"{name} has an effect only where {rule['setting']} is {values}")
    return lines
