"""The zoo as data: what `nas modules` shows, `docs/zoo.md` holds and `--json` prints."""

from __future__ import annotations

import inspect
import re
from typing import Any

import torch
from torch import Tensor

import modules
from modules import Entry, PlugnasError, RefusedError, Site
from modules._registry import FORMATS, Setting
from nas.cost.counter import count

DEFAULT_SITE = Site(64, 32, 32)


def parse_site(text: str) -> Site:
    """Read ``64x32x32`` (C x H x W).

    Raises:
        PlugnasError: the text is not three positive numbers.
    """
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if not match or min(map(int, match.groups())) < 1:
        raise PlugnasError(f"a site is CxHxW, such as 64x32x32, but got `{text}`")
    channels, height, width = map(int, match.groups())
    return Site(channels, height, width)


def inputs_at(entry: Entry, site: Site) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Return inputs of batch 1 that keep the entry's contract at a site, and keywords."""
    channels, height, width = site.channels, site.height, site.width
    if entry.slot == "mixer":
        return (torch.zeros(1, height * width, channels),), {"size": (height, width)}
    if entry.slot == "sequence":  # one row of the map
        return (torch.zeros(1, channels, width),), {}
    x = torch.zeros(1, channels, height, width)
    if entry.slot == "fusion":
        return (x, x.clone()), {}
    if entry.slot == "region":  # one box per position, as a detector asks
        return (x.repeat(1, 4, 1, 1), torch.zeros(1, height * width, 4)), {}
    return (x,), {}


def cost_at(entry: Entry, site: Site, setting: Setting | None = None) -> dict[str, int | str]:
    """Return params, MACs, FLOPs and elementwise operations of the deploy form at a site.

    Where the setting is refused the only key is ``refused``, with the reason.
    """
    own = Site(site.channels, 1, site.width) if entry.slot == "sequence" else site
    try:
        module = modules.fuse(entry.build(own, setting))
    except RefusedError as error:
        return {"refused": str(error)}
    args, keywords = inputs_at(entry, site)
    counts = count(module, *args, **keywords)
    return {
        "params": counts.params,
        "macs": counts.macs,
        "flops": counts.flops,
        "elementwise": counts.elementwise,
    }


def describe(entry: Entry, site: Site) -> dict[str, Any]:
    """Return what a listing shows of one module, as JSON data."""
    return {
        "key": entry.key,
        "slot": entry.slot,
        "family": entry.family,
        "name": entry.name,
        "year": entry.year,
        "paper": entry.paper,
        "summary": entry.summary,
        "aliases": list(entry.aliases),
        "choices": {k: [modules.token(v) for v in vs] for k, vs in entry.choices.items()},
        "defaults": {k: modules.token(v) for k, v in entry.defaults.items()},
        "deploy_form": entry.has_deploy_form,
        "export": {f: entry.export.get(f, "yes") for f in FORMATS},
        "site": f"{site.channels}x{site.height}x{site.width}",
        "cost": cost_at(entry, site),
    }


def describe_fully(entry: Entry, site: Site) -> dict[str, Any]:
    """Return all of one module: the listing's data, docstring, signature, cost per setting."""
    settings = [
        {"setting": {k: modules.token(v) for k, v in s.items()}, **cost_at(entry, site, s)}
        for s in entry.settings()
    ]
    return {
        **describe(entry, site),
        "documentation": inspect.getdoc(entry.cls),
        "signature": f"{entry.cls.__name__}{inspect.signature(entry.cls)}",
        "module": entry.cls.__module__,
        "contract": modules.SLOTS[entry.slot][1],
        "settings": settings,
        "refusals": sorted({str(s["refused"]) for s in settings if "refused" in s}),
    }


def short(number: float) -> str:
    """Write 12345678 as ``12.3M``."""
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{suffix}"
    return f"{number:.3g}"


def markdown(site: Site = DEFAULT_SITE) -> str:
    """Return the text of docs/zoo.md."""
    lines = [
        "# The zoo",
        "",
        f"{len(modules.entries())} modules; params and FLOPs (2 per multiply-add) of the deploy "
        f"form with default settings at {site.channels}x{site.height}x{site.width}, batch 1.",
        "Made by `nas modules --markdown`; a test fails when this file is stale.",
    ]
    for slot, (constructor, contract) in modules.SLOTS.items():
        found = [e for e in modules.entries() if e.slot == slot]
        if not found:
            continue
        lines += ["", f"## {slot}", "", f"`{constructor}`: {contract}", ""]
        lines += ["| key | what it does | family | paper | choices | params | FLOPs |"]
        lines += ["|---|---|---|---|---|---|---|"]
        lines += [_row(describe(entry, site)) for entry in found]
    return "\n".join(lines) + "\n"


def _row(data: dict[str, Any]) -> str:
    cost = data["cost"]
    params, flops = (
        ("refused", "") if "refused" in cost else (short(cost["params"]), short(cost["flops"]))
    )
    choices = "; ".join(f"{k}: {' '.join(map(str, v))}" for k, v in data["choices"].items())
    paper = ", ".join(str(word) for word in (data["paper"], data["year"]) if word)
    cells = (f"`{data['key']}`", data["summary"], data["family"], paper, choices, params, flops)
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
