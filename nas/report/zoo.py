"""The zoo as data: what `nas modules` shows, `docs/zoo.md` holds and `--json` prints."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from plugnas import modules
from plugnas.modules import Entry, PlugnasError, RefusedError, Setting, Site
from plugnas.modules._registry import FORMATS
from plugnas.nas.cost.counter import Counts, count
from plugnas.nas.cost.quantity import short
from plugnas.nas.report import runtimes
from plugnas.space import adapters

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


def cost_at(entry: Entry, site: Site, setting: Setting | None = None) -> dict[str, int | str]:
    """Return params, MACs, FLOPs and elementwise operations of the deploy form at a site.

    Where the setting is refused the only key is ``refused``, with the reason.
    """
    own = entry.contract.on_map(site)
    if reason := entry.refusal(own, setting):
        return {"refused": reason}
    try:
        counts = _counts(entry, own, setting)
    except RefusedError as error:
        return {"refused": str(error)}
    return {
        "params": counts.params,
        "macs": counts.macs,
        "flops": counts.flops,
        "elementwise": counts.elementwise,
    }


def _counts(entry: Entry, site: Site, setting: Setting | None) -> Counts:
    """Count on the meta device, where any size is free; a constructor may want real numbers."""
    try:
        return _counts_on("meta", entry, site, setting)
    except (NotImplementedError, RuntimeError):
        return _counts_on("cpu", entry, site, setting)


def _counts_on(device: str, entry: Entry, site: Site, setting: Setting | None) -> Counts:
    slot = entry.contract
    with torch.device(device):
        module = modules.fuse(entry.build(site, setting))
        inputs = slot.inputs(site, 1)
    return count(module, *inputs, **slot.keywords(site))


def describe(entry: Entry, site: Site) -> dict[str, Any]:
    """Return what a listing shows of one module, as JSON data."""
    return {
        "key": entry.key,
        "slot": entry.slot,
        "family": entry.family,
        "name": entry.name,
        "year": entry.year,
        "paper": entry.paper,
        "origin": entry.origin,
        "no_origin": entry.no_origin,
        "summary": entry.summary,
        "aliases": list(entry.aliases),
        "choices": {k: [modules.token(v) for v in vs] for k, vs in entry.choices.items()},
        "defaults": {k: modules.token(v) for k, v in entry.defaults.items()},
        "only_with": {
            name: {"setting": other, "values": [modules.token(v) for v in values]}
            for name, (other, values) in entry.only_with.items()
        },
        "stands_in": [slot for slot in adapters.HOMES if adapters.fits(entry, slot)],
        "deploy_form": entry.has_deploy_form,
        "export": {f: entry.export.get(f, "yes") for f in FORMATS},
        "site": f"{site.channels}x{site.height}x{site.width}",
        "cost": cost_at(entry, site),
    }


def describe_fully(entry: Entry, site: Site) -> dict[str, Any]:
    """Return all of one module: the listing's data, docstring, signature, cost per setting."""
    settings = [
        {
            "setting": _what_matters(entry, setting),
            "default": _what_matters(entry, setting) == _what_matters(entry, entry.defaults),
            **cost_at(entry, site, setting),
        }
        for setting in entry.settings()
    ]
    return {
        **describe(entry, site),
        "documentation": inspect.getdoc(entry.cls),
        "signature": _signature(entry),
        "module": entry.cls.__module__,
        "contract": entry.contract.forward,
        "settings": settings,
        "refusals": sorted({str(s["refused"]) for s in settings if "refused" in s}),
    }


def _what_matters(entry: Entry, setting: Setting) -> dict[str, int | str]:
    """The part of a complete setting that has an effect, as JSON data."""
    return {k: modules.token(v) for k, v in setting.items() if entry.matters(k, setting)}


def _signature(entry: Entry) -> str:
    signature = inspect.signature(entry.cls, eval_str=True)
    signature = signature.replace(return_annotation=inspect.Signature.empty)
    return textwrap.fill(f"{entry.cls.__name__}{signature}", 100, subsequent_indent="    ")


def choices_text(choices: Mapping[str, Sequence[int | str]]) -> str:
    """Write choices as ``kernel_size 3 5, window 4 7``; a tuple's values stand in brackets."""
    return ", ".join(
        " ".join([name, *(f"({v})" if "," in str(v) else str(v) for v in values)])
        for name, values in choices.items()
    )


def markdown(site: Site = DEFAULT_SITE) -> str:
    """Return the text of docs/zoo.md."""
    lines = [
        "# The zoo",
        "",
        f"{len(modules.entries())} modules, by the slot whose contract they keep. Parameters, "
        "FLOPs (2 per multiply-add) and elementwise operations are those of the deploy form in "
        f"the default setting (in **bold**) at "
        f"{site.channels}x{site.height}x{site.width}, batch 1; a sequence is one row of that map, "
        "a region module gets one box per position.",
        "",
        "Each module is written from the mathematics. Where `code` is linked, it is what the "
        "authors publish, with its licence; it is for comparison, and nothing of it is in here. "
        "Where none is linked, it says why: a layer that every library has, or code that was "
        "looked for and not found.",
        "",
        "`nas modules KEY` shows one module in full: formula, signature, cost of every setting.",
        "Milliseconds of each on a CPU at 64x56x56 stand in [a record](https://github.com/plugnas/"
        "plugnas/tree/main/experiments/records/zoo_milliseconds.md).",
        "This page is made by `nas modules --markdown`; a test fails when it is stale.",
    ]
    for slot in modules.SLOTS.values():
        found = [e for e in modules.entries() if e.slot == slot.name]
        if not found:
            continue
        lines += ["", f"## {slot.name}", "", f"`{slot.constructor}`: {slot.forward}", ""]
        lines += [
            "| key | family | what it does | choices | params | FLOPs | elementwise | source |",
            "|:--|:--|:--|:--|--:|--:|--:|:--|",
        ]
        lines += [_row(describe(entry, site)) for entry in found]
    lines += runtimes.markdown(runtimes.kept())
    return "\n".join(lines) + "\n"


def _row(data: dict[str, Any]) -> str:
    cost = data["cost"]
    costs = ["refused", "", ""]
    if "refused" not in cost:
        costs = [short(cost[what]) for what in ("params", "flops", "elementwise")]
    choices = "; ".join(
        " ".join([name, *(_value(v, data["defaults"][name]) for v in values)])
        for name, values in data["choices"].items()
    )
    summary = data["summary"]
    if data["aliases"]:
        summary += f" Also `{'`, `'.join(data['aliases'])}`."
    cells = (f"`{data['key']}`", data["family"], summary, choices, *costs, _source(data))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value(value: int | str, default: int | str) -> str:
    text = f"({value})" if "," in str(value) else str(value)
    return f"**{text}**" if value == default else text


def _source(data: dict[str, Any]) -> str:
    """Paper with links, the year, and where the authors publish code, or why no place is named."""
    link = r"[\g<0>](https://arxiv.org/abs/\1)"
    paper = re.sub(r"arXiv:(\d{4}\.\d{4,5})", link, data["paper"] or "")
    year = str(data["year"] or "")
    cited = f"{paper}, {year}" if paper and year and year not in paper else paper or year
    place, _, licence = (data["origin"] or "").partition(", ")
    code = f"[code](https://{place}) ({licence_text(licence)})" if place else data["no_origin"]
    return "; ".join(part for part in (cited, code) if part)


def licence_text(tag: str) -> str:
    """Write an SPDX tag for readers; NOASSERTION says that no licence is stated."""
    return "no licence stated" if tag in ("NOASSERTION", "NONE") else tag
