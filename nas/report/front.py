"""A run's front as data: the table, CSV and JSON that ``nas front`` prints and keeps."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from plugnas.nas.confirm.outcome import Confirmed
from plugnas.nas.confirm.outcome import read as read_confirmation
from plugnas.nas.cost.quantity import short
from plugnas.nas.front import pick as picks
from plugnas.nas.front.doubt import interval, range_text
from plugnas.nas.front.member import Member, newest_of
from plugnas.nas.front.metric import Metric
from plugnas.nas.machine.table import text_table
from plugnas.nas.report import controls
from plugnas.nas.report.best import best_within
from plugnas.nas.report.gates import gates_of
from plugnas.nas.report.noise import bounds, light_steps, noise_text, tested_bounds
from plugnas.nas.run.latency import LatencyNote, latency_note
from plugnas.nas.run.names import called, names_of
from plugnas.nas.run.summary import kinds, why_empty
from plugnas.nas.run.view import RunView
from plugnas.space.host.names import NOTHING, parse
from plugnas.space.levels import DECODER_SLOTS
from plugnas.space.training import chosen_of, text_of


def row(member: Member, metric: Metric, confirmed: Confirmed | None = None) -> dict[str, Any]:
    """Return one member as a flat record; ``<value>_std`` is over its ``n`` seeds.

    Values are those of the search, that of the main objective ``metric`` with its 95 % interval
    from images and seeds (``_low``, ``_high``; empty where it is not known); the ``test_``
    columns are empty until the member is confirmed.
    """
    spread = {f"{name}_std": _finite(value) for name, value in member.spread.items()}
    low, high = (_finite(value) for value in bounds(member, metric))
    name = metric.name
    return {
        "id": member.id,
        "n": member.n,
        **member.values,
        **spread,
        f"{name}_low": low,
        f"{name}_high": high,
        **member.costs,
        f"test_{name}": None if confirmed is None else confirmed.mean,
        f"test_{name}_std": None if confirmed is None else _finite(confirmed.std),
        "test_n": None if confirmed is None else confirmed.n,
        "numbers": " ".join(map(str, member.numbers)),
        "architecture": member.architecture.json(),
    }


def confirmed_of(view: RunView) -> Mapping[str, Confirmed]:
    """Return what `nas confirm` found of each architecture, by id; nothing where it was not run."""
    confirmation = read_confirmation(view)
    return {} if confirmation is None else confirmation.by_id


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_json(view: RunView) -> dict[str, Any]:
    """Return the front as JSON data; documented in docs/json.md."""
    confirmed = confirmed_of(view)
    data: dict[str, Any] = {
        "run": str(view.run.path),
        "objectives": dict(view.objectives),
        "budget": dict(view.budget),
        "evaluated": len(view.members),
        "failed": len(view.failures),
        "misfits": len(view.misfits),
        "front": [
            {**_record(m, view.metric, confirmed.get(m.id)), **_gates(view, m)} for m in view.front
        ],
    }
    if view.space.host is not None:
        data["controls"] = [
            {"name": name, **_record(m, view.metric)} for name, m in controls.controls(view)
        ]
    if view.front:
        data["knee"] = picks.knee(view.front, view.objectives).id
        data["within_noise"] = sorted(light_steps(view))
        data["hypervolume"] = view.hypervolume
        data["reference"] = dict(zip(view.objectives, view.reference, strict=True))
    return data


def _record(member: Member, metric: Metric, confirmed: Confirmed | None = None) -> dict[str, Any]:
    """Return a member as JSON data: its row, its tasks and its architecture."""
    return {
        **row(member, metric, confirmed),
        "numbers": list(member.numbers),
        "architecture": member.architecture.values,
    }


def _gates(view: RunView, member: Member) -> dict[str, Any]:
    """Return the gates of a plugged host, nothing of any other network."""
    if view.space.host is None:
        return {}
    own = [m for m in view.measurements if m.architecture.id == member.id]
    return {"gates": gates_of(own, member.rung)}


def to_csv(view: RunView) -> str:
    """Return the front as CSV, one member a line."""
    confirmed = confirmed_of(view)
    rows = [row(m, view.metric, confirmed.get(m.id)) for m in view.front]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_text(view: RunView) -> str:
    """Return the front as a table to read."""
    if not view.front:
        failed = ", ".join(f"{count} {name}" for name, count, _ in kinds(view.measurements))
        return "".join(
            [
                f"{view.run.path}: {why_empty(view)}",
                f"; failed evaluations: {failed}" if failed else "",
                "" if view.left_out is None else f"\n{view.left_out}",
            ]
        )
    knee = picks.knee(view.front, view.objectives).id
    confirmed, latency = confirmed_of(view), latency_note(view.run)
    columns = _columns(view)
    unsure, names = light_steps(view), names_of(view.directory)
    values = {
        m.id: f"{'~' if m.id in unsure else ''}{view.metric.text(m[view.metric.name])} "
        f"{range_text(interval(m, view.metric), view.metric)}".rstrip()
        for m in view.front
    }
    head = ["  id", view.metric.name, *["test"] * bool(confirmed), *columns, "modules"]
    last = ["trained with"] * any(training_of(view, member) for member in view.front)
    rows = [
        [
            f"{'*' if member.id == knee else ' '} {member.id}",
            values[member.id],
            *[_tested(confirmed.get(member.id), view.metric)] * bool(confirmed),
            *(_doubt(name, latency) + short(member[name]) for name in columns),
            modules_of(member, names),
            *[training_of(view, member)] * bool(last),
        ]
        for member in view.front
    ]
    align = "l" + "r" * (len(head) - 2)
    lines = [_summary(view), "", *text_table([*head, *last], rows, align=align)]
    lines += ["", "* the knee (costs on a logarithmic scale)"]
    if any("[" in value for value in values.values()):
        lines.append("[from, to]: 95 % interval, from the number of images and of seeds")
    if (noise := noise_text(view)) is not None:
        lines.append(noise)
    if confirmed:
        lines.append("test: mean ± standard deviation over seeds, after the long training")
    if latency is not None and "latency_ms" in columns:
        lines.append(latency.text)
    lines += controls.lines(view, columns)
    if view.cost in view.objectives:
        words = [
            f"{short(limit)}: {view.metric.text(m[view.metric.name])} ({m.id[:6]})"
            for limit, m in best_within(view)
        ]
        lines.append(f"best within {view.cost} of " + ", ".join(words))
    return "\n".join(lines)


def _columns(view: RunView) -> list[str]:
    """Return what stands beside the main objective: its fellow objectives and the usual costs."""
    known = [*view.front[0].costs, *view.front[0].values]
    usual = ["flops", "params", "memory", "latency_ms"]
    wanted = dict.fromkeys([n for n in usual if n in known])
    wanted |= dict.fromkeys(n for n in view.objectives if n in known)
    return [name for name in wanted if name != view.metric.name]


def _doubt(cost: str, latency: LatencyNote | None) -> str:
    """Return the mark of a latency by which nothing may be ranked."""
    return "~" if cost == "latency_ms" and latency is not None and not latency.ranked else ""


def _tested(found: Confirmed | None, metric: Metric) -> str:
    if found is None:
        return "-"
    reach = range_text(tested_bounds(found, metric), metric)
    return f"{metric.mean_text(found.mean, found.std)} {reach}".rstrip()


def _summary(view: RunView) -> str:
    limits = ", ".join(f"{n} <= {short(v)}" for n, v in view.budget.items())
    return (
        f"{view.run.path}: {len(view.front)} on the front of {len(view.members)} architectures"
        + _reached(view)
        + (f" within {limits}" if limits else "")
        + ("" if view.left_out is None else f"\n{view.left_out}")
        + f"\nlast better at trial {newest_of(view.front)} of {_tried(view)}; "
        + ", ".join(_notes(view))
    )


def _reached(view: RunView) -> str:
    """Return which architectures those of the front were chosen from, where there are rungs."""
    if not view.top_rung:
        return ""
    return f" that reached the last of {view.top_rung + 1} rungs ({_tried(view)} were tried)"


def _tried(view: RunView) -> int:
    return len({m.architecture.id for m in view.measurements})


def _notes(view: RunView) -> list[str]:
    """Return what must be known of the figures."""
    notes = [value_note(view)]
    return [*notes, "FLOPs are 2 per multiply-add"] if "flops" in view.costs else notes


def value_note(view: RunView) -> str:
    """Return whose the values of the main objective are."""
    whose = "the proxy's, on validation images" if view.of_job else "as `evaluate` returned it"
    return f"{view.metric.name} is {whose}"


def value_of(view: RunView) -> str:
    """Return in brackets' words what returned the values of the main objective."""
    return "proxy, validation images" if view.of_job else "of the search"


def _plugs_of(values: Mapping[str, Any]) -> str:
    """Return what is plugged into a host, site by site."""
    found = []
    for name, value in values.items():
        holder = parse(name)
        if holder is not None and value not in NOTHING:
            sign = "+" if holder.how == "after" else "="
            found.append(f"{holder.where}{sign}{value}")
    return " ".join(found) or "the host unchanged"


def modules_of(member: Member, called_by: Mapping[str, str] | None = None) -> str:
    """Return the modules of an architecture in one short line: blocks, then the head.

    ``called_by`` are the names that the job calls them by: key -> name.
    """
    told = member.architecture.values
    values = (
        {name: called(v, called_by) if isinstance(v, str) else v for name, v in told.items()}
        if called_by
        else told
    )
    if "start" in values and "host" in values:
        return _plugs_of(values)
    if "stage1.depth" not in values:  # no network of ours: its choices are all there is to say
        return " ".join(f"{name}={value}" for name, value in values.items())
    stages = []
    s = 1
    while f"stage{s}.depth" in values:
        blocks = []
        for b in range(1, int(values[f"stage{s}.depth"]) + 1):
            names = []
            for slot in ("operator", "attention", "fusion"):
                own = values.get(f"stage{s}.block{b}.{slot}", values.get(f"stage{s}.{slot}"))
                chosen = own or values.get(slot)
                if chosen not in (None, "none", "add"):
                    names.append(str(chosen))
            blocks.append("+".join(names))
        stages.append(f"{values[f'stage{s}.width']}:{' '.join(blocks)}")
        s += 1
    tail = [str(values[k]) for k in ("context", "pooling") if values.get(k) not in (None, "none")]
    decoder = _decoder_of(values)
    return " | ".join([*stages, *([" ".join(tail)] if tail or not decoder else []), *decoder])


def training_of(view: RunView, member: Member) -> str:
    """Return the training settings that the search chose for a member, nothing without any."""
    if not view.space.has_network:
        return ""  # its choices are all among what stands in it
    return text_of(chosen_of(view.space, member.architecture.values))


def _decoder_of(values: Mapping[str, Any]) -> list[str]:
    """Return the levels of a decoder in one short line, or nothing."""
    levels = []
    for level in range(1, int(values.get("decoder.levels", 0)) + 1):
        names = (
            values.get(f"decoder.level{level}.{slot}", values.get(f"decoder.{slot}"))
            for slot in DECODER_SLOTS[:-1]
        )
        levels.append("+".join(str(name) for name in names if name not in (None, "none")))
    return [f"decoder {values['decoder.width']}: {' '.join(levels)}"] if levels else []
