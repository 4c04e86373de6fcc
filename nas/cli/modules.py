"""List the zoo, or show one module.

nas modules                          every module, by slot and family
nas modules --slot attention         one slot
nas modules cbam --site 32x16x16     one module: what it computes, its settings and their cost
"""

from __future__ import annotations

import argparse
import json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("key", nargs="?", metavar="KEY", help="show this module in full")
    parser.add_argument(
        "--site", default="64x32x32", help="C x H x W for costs (default %(default)s)"
    )
    parser.add_argument("--slot", help="list only this slot")
    parser.add_argument("--family", help="list only this family")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", action="store_true", help="print the text of docs/zoo.md")


def run(args: argparse.Namespace) -> int:
    """Print the listing or one module."""
    import modules
    from nas import zoo_report

    site = zoo_report.parse_site(args.site)
    if args.markdown:
        print(zoo_report.markdown(site), end="")
        return 0
    if args.key:
        data = zoo_report.describe_fully(modules.get(args.key), site)
        print(json.dumps(data, indent=2) if args.json else _page(data))
        return 0
    _check("slot", args.slot, list(modules.SLOTS))
    _check("family", args.family, sorted({e.family for e in modules.entries()}))
    listed = [zoo_report.describe(e, site) for e in modules.entries(args.slot, args.family)]
    print(json.dumps(listed, indent=2) if args.json else _listing(listed))
    return 0


def _check(word: str, value: str | None, known: list[str]) -> None:
    from modules import PlugnasError, did_you_mean

    if value is not None and value not in known:
        hint = did_you_mean(value, known)
        raise PlugnasError(f"no {word} `{value}`{hint} (there are: {', '.join(known)})")


def _listing(rows: list[dict]) -> str:
    from nas.zoo_report import short

    lines: list[str] = []
    heading = None
    for row in rows:
        if row["slot"] != heading:
            heading = row["slot"]
            at = f"at {row['site']}"
            lines += ["", f"{heading.upper():<25}{'year':>5} {'params':>8} {'FLOPs':>8}  {at}"]
        cost = row["cost"]
        params, flops = (
            ("refused", "") if "refused" in cost else (short(cost["params"]), short(cost["flops"]))
        )
        choices = " ".join(f"{k}={{{','.join(map(str, v))}}}" for k, v in row["choices"].items())
        lines.append(
            f"  {row['key']:<23}{row['year'] or '':>5} {params:>8} {flops:>8}  "
            f"[{row['family']}] {choices}"
        )
    return "\n".join([*lines[1:], "", f"{len(rows)} modules; `nas modules KEY` shows one"])


def _page(data: dict) -> str:
    from nas.zoo_report import short

    paper = ", ".join(str(x) for x in (data["paper"], data["year"]) if x)
    lines = [
        f"{data['key']}: {data['name']}" + (f" ({paper})" if paper else ""),
        f"slot {data['slot']}, family {data['family']}"
        + (f", also known as {', '.join(data['aliases'])}" if data["aliases"] else ""),
        "",
        data["signature"],
        f"forward: {data['contract']}",
        "",
        data["documentation"],
        "",
        f"cost of the deploy form at {data['site']}, batch 1 (1 MAC = 2 FLOPs):",
    ]
    for row in data["settings"]:
        mark = "*" if row["setting"] == data["defaults"] else " "
        name = ", ".join(f"{k}={v}" for k, v in row["setting"].items()) or "(no choices)"
        if "refused" in row:
            lines.append(f"{mark} {name:<44} refused: {row['refused']}")
        else:
            lines.append(
                f"{mark} {name:<44} {short(row['params']):>8} params {short(row['flops']):>8} FLOPs"
            )
    lines += [
        "* the default",
        "",
        "export: " + "; ".join(f"{f}: {v}" for f, v in data["export"].items()),
    ]
    if data["deploy_form"]:
        lines.append("deploy form: yes, through modules.fuse")
    return "\n".join(lines)
