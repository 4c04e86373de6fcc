"""What `nas sites` shows of a host: its tree, what fits where, and what cannot be a site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from plugnas import modules
from plugnas.modules import PlugnasError
from plugnas.nas.machine.table import text_table
from plugnas.space import SearchSpace, adapters
from plugnas.space.host import HostSite, HostTrace, Placement, why_lost
from plugnas.space.host.names import NOTHING
from plugnas.space.host.plugs import site_of
from plugnas.space.host.records import Conv, Map
from plugnas.space.options import Choice

_SHOWN = 6


def parse_input(text: str) -> Map:
    """Read ``3x224x224``.

    Raises:
        PlugnasError: it is no C x H x W of numbers above 0.
    """
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", text):
        raise PlugnasError(f"--input is C x H x W such as 3x224x224, but got {text!r}")
    channels, height, width = map(int, text.split("x"))
    return channels, height, width


def describe(trace: HostTrace, space: SearchSpace | None = None) -> dict[str, Any]:
    """Return a host's sites as JSON data, with those of a job where there is one."""
    data: dict[str, Any] = {
        "host": trace.name,
        "input": list(trace.input_shape),
        "output": trace.output_text,
        "classifiers": list(trace.classifiers),
        "notes": list(trace.notes),
        "sites": [_site(site) for site in trace.sites],
        "no_sites": [{"path": n.path, "kind": n.kind, "reason": n.reason} for n in trace.no_sites],
    }
    if space is not None and space.host is not None:
        data["start"] = space.host.start
        data["job"] = list(_job(space))
    return data


def _site(site: HostSite) -> dict[str, Any]:
    return {
        "path": site.path,
        "kind": site.kind,
        "maps_in": [None if m is None else list(m) for m in site.maps_in],
        "maps_out": [list(m) for m in site.maps_out],
        "calls": site.calls,
        "after": list(site.after),
        "replace": list(site.replace),
        "why_not": dict(site.why_not),
        "weights_kept_by": list(_keepers(site)) if "operator" in site.replace else None,
    }


def _keepers(site: HostSite) -> tuple[str, ...]:
    """Return the operators that can start from the weights of a convolution, at some setting."""
    if site.conv is None or site.map_in is None:
        return ()
    return _keepers_of(site.conv, site.map_in, site.maps_out)


@cache
def _keepers_of(conv: Conv, entering: Map, leaving: tuple[Map, ...]) -> tuple[str, ...]:
    site = HostSite("", "", (entering,), leaving, (), ("operator",), {}, conv)
    found = []
    for entry in modules.entries("operator"):
        if entry.takes_weights:
            for setting in ({}, *entry.settings()):
                placed = Placement(
                    "replace", "", "operator", Choice(entry.key, (*setting.items(),))
                )
                refused = adapters.refusal(entry, "operator", site_of(placed, site), setting)
                if refused is None and why_lost(placed, site) is None:
                    found.append(entry.key)
                    break
    return tuple(found)


def _job(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Yield what the job offers: each choice, its sites, and whose weights would be lost."""
    host = space.host
    for group in () if host is None else host.groups:
        lost: dict[str, Any] = {}
        if group.holder.how == "replace" and group.holder.slot == "operator":
            for choice in group.slot.choices:
                for site in group.sites:
                    placed = Placement("replace", site.path, "operator", choice)
                    reason = None if choice.key in NOTHING else why_lost(placed, site)
                    if reason is not None:
                        lost.setdefault(choice.text, reason)
        yield {
            "parameter": group.name,
            "sites": [site.path for site in group.sites],
            "choices": [option.entry.key for option in group.slot.options],
            "weights_lost": lost,
        }


# --- words --------------------------------------------------------------------------------------


def text(data: dict[str, Any]) -> str:
    """Return the sites as a table in the order of the host's own tree."""
    sites = data["sites"]
    size = "x".join(map(str, data["input"]))
    lines = [f"{data['host']} on {size}: {len(sites)} sites; returns {data['output']}"]
    lines += [f"note: {note}" for note in data["notes"]]
    lines += ["", *_table(sites), "", *_none(data["no_sites"])]
    if "job" in data:
        lines += ["", f"the job's sites (start: {data['start']})", *_offers(data["job"])]
    return "\n".join(lines).rstrip()


def _table(sites: list[dict[str, Any]]) -> list[str]:
    head = (
        "site",
        "what stands there",
        "in",
        "out",
        "calls",
        "after it",
        "in its place",
        "weights",
    )
    rows = []
    for site in sites:
        indent = "  " * site["path"].count(".")
        rows.append(
            (
                indent + site["path"],
                site["kind"],
                _maps(site["maps_in"]),
                _maps(site["maps_out"]),
                str(site["calls"]),
                ", ".join(site["after"]) or "-",
                ", ".join(site["replace"]) or "-",
                _weights(site["weights_kept_by"]),
            )
        )
    return text_table(head, rows)


def _maps(maps: list[Any]) -> str:
    """The map of every call, each size once."""
    words = ["no map" if m is None else "x".join(map(str, m)) for m in maps]
    return " ".join(dict.fromkeys(words))


def _weights(keepers: list[str] | None) -> str:
    if keepers is None:
        return "kept"
    if not keepers:
        return "kept after it, lost in its place"
    more = ", ..." if len(keepers) > _SHOWN else ""
    return f"kept by {', '.join(keepers[:_SHOWN])}{more}"


def _none(none: list[dict[str, str]]) -> list[str]:
    """What cannot be a site, by reason."""
    if not none:
        return ["every submodule is a site"]
    reasons: dict[str, list[str]] = {}
    for item in none:
        reasons.setdefault(item["reason"], []).append(item["path"])
    lines = [f"no sites ({len(none)}):"]
    for reason, paths in reasons.items():
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        lines.append(f"  {reason}: {', '.join(paths[:_SHOWN])}{more}")
    return lines


def _offers(job: list[dict[str, Any]]) -> list[str]:
    lines = []
    for group in job:
        paths = group["sites"]
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        where = "" if len(paths) == 1 else f" at {', '.join(paths[:_SHOWN])}{more}"
        lines.append(f"  {group['parameter']}{where}: {', '.join(group['choices'])}")
        lines += [f"    {c}: weights are lost ({why})" for c, why in group["weights_lost"].items()]
    return lines
