"""A run's front as data: the table, CSV and JSON that ``nas front`` prints and keeps."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugnas.nas.confirm.outcome import Confirmed
from plugnas.nas.confirm.outcome import read as read_confirmation
from plugnas.nas.cost.quantity import short
from plugnas.nas.front import member as fronts
from plugnas.nas.front import pick as picks
from plugnas.nas.front.member import Member
from plugnas.nas.run.latency import LatencyNote, latency_note
from plugnas.nas.run.summary import kinds
from plugnas.nas.run.view import RunView


def write(view: RunView, control: RunView | None = None) -> list[Path]:
    """Write front.csv, front.png and report.html into the run's directory; return their paths.

    ``control`` is a random search of the same job, shown beside this one.
    """
    from plugnas.nas.report.files import write_files

    return write_files(view, control)


def row(member: Member, confirmed: Confirmed | None = None) -> dict[str, Any]:
    """Return one member as a flat record; ``accuracy_std`` is over its ``n`` seeds.

    ``accuracy`` is the proxy's, on validation images; the ``test_`` columns are empty until the
    member is confirmed.
    """
    spread = {f"{name}_std": _finite(value) for name, value in member.spread.items()}
    return {
        "id": member.id,
        "n": member.n,
        **member.values,
        **spread,
        **member.costs,
        "test_accuracy": None if confirmed is None else confirmed.mean,
        "test_accuracy_std": None if confirmed is None else _finite(confirmed.std),
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
        "failed": sum(not m.ok for m in view.measurements),
        "front": [
            {
                **row(m, confirmed.get(m.id)),
                "numbers": list(m.numbers),
                "architecture": m.architecture.values,
            }
            for m in view.front
        ],
    }
    if view.front:
        data["knee"] = picks.knee(view.front, view.objectives).id
        data["hypervolume"] = view.hypervolume
        data["reference"] = dict(zip(view.objectives, view.reference, strict=True))
    return data


def to_csv(view: RunView) -> str:
    """Return the front as CSV, one member a line."""
    confirmed = confirmed_of(view)
    rows = [row(member, confirmed.get(member.id)) for member in view.front]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_text(view: RunView) -> str:
    """Return the front as a table to read."""
    if not view.front:
        failed = ", ".join(f"{count} {name}" for name, count, _ in kinds(view.measurements))
        return f"{view.run.path}: {fronts.nothing_within(view.members, view.budget)}" + (
            f"; failed evaluations: {failed}" if failed else ""
        )
    knee = picks.knee(view.front, view.objectives).id
    costs = [n for n in ("flops", "params", "memory", "latency_ms") if n in view.front[0].costs]
    confirmed = confirmed_of(view)
    latency = latency_note(view.run)
    head = f"  {'id':<13} {'accuracy':>9}" + (f"{'test':>17}" if confirmed else "")
    head += "".join(f"{name:>11}" for name in costs)
    lines = [_summary(view), "", head + "  modules"]
    for member in view.front:
        mark = "*" if member.id == knee else " "
        accuracy = f"{100 * member['accuracy']:.2f} %"
        figures = "".join(f"{_doubt(name, latency) + short(member[name]):>11}" for name in costs)
        tested = f"{_tested(confirmed.get(member.id)):>17}" if confirmed else ""
        lines.append(f"{mark} {member.id:<13} {accuracy:>9}{tested}{figures}  {modules_of(member)}")
    lines += ["", "* the knee (costs on a logarithmic scale)"]
    if confirmed:
        lines.append("test: mean ± standard deviation over seeds, long trained (`nas confirm`)")
    if latency is not None and "latency_ms" in costs:
        lines.append(latency.text)
    cost = next((n for n, d in view.objectives.items() if d == "min"), None)
    if cost is not None:
        steps = picks.best_within_steps(view.front, cost)
        words = [f"{short(s)}: {100 * m['accuracy']:.2f} % ({m.id[:6]})" for s, m in steps]
        lines.append(f"best within {cost} of " + ", ".join(words))
    return "\n".join(lines)


def _doubt(cost: str, latency: LatencyNote | None) -> str:
    """Return the mark of a latency by which nothing may be ranked."""
    return "~" if cost == "latency_ms" and latency is not None and not latency.ranked else ""


def _tested(found: Confirmed | None) -> str:
    if found is None:
        return "-"
    spread = f" ± {100 * found.std:.2f}" if math.isfinite(found.std) else ""
    return f"{100 * found.mean:.2f}{spread} %"


def _summary(view: RunView) -> str:
    limits = ", ".join(f"{n} <= {short(v)}" for n, v in view.budget.items())
    reference = ", ".join(
        f"{n} {short(v)}" for n, v in zip(view.objectives, view.reference, strict=True)
    )
    old = f"; {view.misfits} measurements of an older space left out" if view.misfits else ""
    return (
        f"{view.run.path}: {len(view.front)} on the front of {len(view.members)} architectures"
        + (f" within {limits}" if limits else "")
        + f"{old}\nhypervolume {view.hypervolume:.4f} of the box from {reference} to the best "
        "thinkable; accuracy is the proxy's, on validation images; FLOPs are 2 per "
        "multiply-add"
    )


def modules_of(member: Member) -> str:
    """Return the modules of an architecture in one short line: blocks, then the head."""
    values = member.architecture.values
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
    return " | ".join([*stages, " ".join(tail)])
