"""Everything the page shows, as JSON data."""

from __future__ import annotations

import base64
import dataclasses
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plugnas.nas import confirm
from plugnas.nas.explain.report import explain_run
from plugnas.nas.front import pick as picks
from plugnas.nas.front.member import Member
from plugnas.nas.front.metric import Metric
from plugnas.nas.job.prepared import cost_model
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.best import best_text
from plugnas.nas.report.classes import answers_of, examples_of
from plugnas.nas.report.confusion import confusion_of
from plugnas.nas.report.controls import controls
from plugnas.nas.report.front import confirmed_of, modules_of, training_of, value_note, value_of
from plugnas.nas.report.gates import gates_of
from plugnas.nas.report.noise import bounds, light_steps, noise_text, tested_bounds
from plugnas.nas.report.random_search import history
from plugnas.nas.run.latency import latency_note
from plugnas.nas.run.names import called, names_of
from plugnas.nas.run.summary import culprits_of, kinds
from plugnas.nas.run.view import RunView
from plugnas.space.options import Choice

NUMBER = "evaluation"
"""Stands in for a cost where none is known: the number of the task, from 1."""

MOST = 1000
"""Networks on the page; of more, those that are dominated and not confirmed are drawn at random."""

SHOWN = ("flops", "params", "latency_ms", "memory", "macs", "elementwise")


def gather(view: RunView, control: RunView | None = None) -> dict[str, Any]:
    """Return the page's data; documented in docs/json.md."""
    metric, cost = view.metric, abscissa(view)
    members = [m for m in view.members if math.isfinite(m[metric.name])]
    known = members[0].costs if members else {}
    confirmation = confirm.read(view)
    names = names_of(view.directory)
    parts, latency = _Parts(view, names), latency_note(view.run)
    on = {m.id for m in view.front}
    shown = sample(members, view, MOST)
    history_of: dict[str, list[Measurement]] = {m.id: [] for m in shown}
    for measurement in view.measurements:
        if (told := history_of.get(measurement.architecture.id)) is not None:
            told.append(measurement)
    examples = examples_of(view)
    networks = [
        {
            **_network(m, metric, cost, history_of[m.id], names),
            "training": training_of(view, m),
            **answers_of(history_of[m.id], m.rung, shown=m.id in on),
            **confusion_of(history_of[m.id], m.rung),
            "front": m.id in on,
            "parts": parts.of(m),
        }
        for m in shown
    ]
    _add_looks(networks, view)
    _add_confirmation(networks, confirmation, metric)
    return _plain(
        {
            "run": view.run.path.resolve().name,  # `nas front .` has a name too
            "path": str(view.run.path),
            "made": time.strftime("%Y-%m-%d %H:%M"),
            "objectives": dict(view.objectives),
            "budget": dict(view.budget),
            "metric": dataclasses.asdict(metric) | {"note": value_note(view), "of": value_of(view)},
            "confirmable": view.of_job,
            "costs": ([n for n in SHOWN if n in known] + [n for n in known if n not in SHOWN])
            or [cost],
            "cost": cost,
            "networks": networks,
            "controls": [_control(name, m, metric) for name, m in controls(view)],
            "evaluated": len(members),
            "noise": {"light": sorted(light_steps(view)), "text": noise_text(view)},
            "best": best_text(view),
            "examples": examples,
            "class_names": view.job_run.facts.classes if view.of_job else [],
            "knee": picks.knee(view.front, view.objectives).id if view.front else None,
            "hypervolume": view.hypervolume if view.front else None,
            "parts": parts.table,
            "history": history(view, control),
            "modules": explain_run(view).to_dict(),
            "failures": _failures(view),
            "counts": _counts(view),
            "confirmation": None if confirmation is None else _confirmation(confirmation),
            "job": view.run.text,
            "facts": {**view.run.told, "workers": _workers(view.measurements)},
            "sessions": _sessions(view),
            "latency": None if latency is None else dataclasses.asdict(latency),
        }
    )


def sample(members: list[Member], view: RunView, most: int) -> list[Member]:
    """Return the members that are shown: all, or of very many the front and some of the others."""
    if len(members) <= most:
        return members
    kept = {m.id for m in view.front} | confirmed_of(view).keys()
    rest = [m for m in members if m.id not in kept]
    drawn = np.random.default_rng(0).choice(len(rest), max(0, most - len(kept)), replace=False)
    kept |= {rest[i].id for i in drawn}
    return [m for m in members if m.id in kept]


def abscissa(view: RunView) -> str:
    """Return what the main objective is drawn over: a cost, or the task's number without any."""
    return view.cost if view.cost in view.costs else NUMBER


def place_of(member: Member, cost: str) -> float:
    """Return where a member is drawn over a cost, or over the number of its task."""
    return float(member.numbers[0] + 1) if cost == NUMBER else member[cost]


class _Parts:
    """The parts of all networks, each once; networks name them by index."""

    def __init__(self, view: RunView, names: Mapping[str, str]) -> None:
        self.space, self._names = view.space, names
        self.table: list[dict[str, Any]] = []
        self._index: dict[tuple[str, str, Any], int] = {}
        self._cost = cost_model(view.space, view.run.costs) if view.space.has_network else None

    def of(self, member: Member) -> list[int]:
        """Return the indices of a member's parts, in the order in which they run."""
        if not self.space.has_network:
            return []
        parts = self.space.parts(member.architecture)
        places = []
        for part, after in zip(parts, [*parts[1:], None], strict=True):
            key = (part.position, part.key, part.input_shape)
            if key not in self._index:
                self._index[key] = len(self.table)
                self.table.append(self._describe(part, None if after is None else after))
            places.append(self._index[key])
        return places

    def _describe(self, part: Any, after: Any) -> dict[str, Any]:
        fields = {f.name: getattr(part.spec, f.name) for f in dataclasses.fields(part.spec)}
        slots = {n: called(v.text, self._names) for n, v in fields.items() if isinstance(v, Choice)}
        rest = {n: v for n, v in fields.items() if isinstance(v, int)}
        entry: dict[str, Any] = {
            "position": part.position,
            "input": list(part.input_shape),
            "output": list(after.input_shape) if after is not None else None,
            "slots": slots,
            "numbers": rest,
            "source": getattr(part.spec, "source", None),
        }
        if self._cost is not None:
            counts = self._cost.table.counts(part)
            entry |= {"flops": counts.flops, "params": counts.params}
        return entry


def _network(
    m: Member,
    metric: Metric,
    cost: str,
    told: Sequence[Measurement],
    names: Mapping[str, str],
) -> dict[str, Any]:
    top = [x for x in told if x.ok and x.rung == m.rung]
    return {
        "id": m.id,
        "metric": m[metric.name],
        "std": m.spread.get(metric.name, math.nan),
        "interval": list(bounds(m, metric)),
        "n": m.n,
        "numbers": list(m.numbers),
        "costs": dict(m.costs) or {cost: place_of(m, cost)},
        "modules": modules_of(m, names),
        "values": {
            n: called(v, names) if isinstance(v, str) else v
            for n, v in m.architecture.values.items()
        },
        "curves": [{"seed": x.seed, "points": [dict(p) for p in x.curve]} for x in top],
        "gates": gates_of(told, m.rung),
        "seconds": sum(x.seconds for x in told),
        "test": None,
    }


def _add_looks(networks: list[dict[str, Any]], view: RunView) -> None:
    """Put the pictures of where plugs look, which an export made, into the page."""
    for network in networks:
        file = view.run.looks(network["id"])
        if view.space.host is not None and file.exists():
            picture = base64.b64encode(file.read_bytes()).decode()
            network["looks"] = f"data:image/png;base64,{picture}"


def _control(name: str, m: Member, metric: Metric) -> dict[str, Any]:
    """What a host is held against: it is drawn, but no network of the search's table."""
    return {
        "name": name,
        "id": m.id,
        "metric": m[metric.name],
        "interval": list(bounds(m, metric)),
        "n": m.n,
        "costs": dict(m.costs),
        "modules": modules_of(m),
    }


def _add_confirmation(
    networks: list[dict[str, Any]], found: confirm.Confirmation | None, metric: Metric
) -> None:
    confirmed = {} if found is None else found.by_id
    for network in networks:
        if (own := confirmed.get(network["id"])) is not None:
            reach = list(tested_bounds(own, metric))
            network["test"] = {"metric": own.mean, "std": own.std, "n": own.n, "interval": reach}
            if own.class_iou:
                network["test"]["class_iou"] = dict(own.class_iou)


def _confirmation(found: confirm.Confirmation) -> dict[str, Any]:
    from plugnas.nas.confirm.text import verdicts

    return {**found.to_dict(), "verdicts": verdicts(found)}


def _failures(view: RunView) -> dict[str, Any]:
    failed = [m for m in view.measurements if not m.ok]
    return {
        "kinds": [(name, count) for name, count, _ in kinds(failed)],
        "culprits": list(culprits_of(view)),
        "rows": [
            {"number": m.number, "id": m.architecture.id, "rung": m.rung, "seed": m.seed,
             "attempt": m.attempt, "reason": m.reason}
            for m in failed[:500]
        ],
        "all": len(failed),
    }  # fmt: skip


def _counts(view: RunView) -> dict[str, Any]:
    by_rung = Counter(m.rung for m in view.measurements if m.ok)
    return {
        "measurements": len(view.measurements),
        "architectures": len({m.architecture.id for m in view.measurements}),
        "rungs": sorted(by_rung.items()),
        "misfits": len(view.misfits),
        "left_out": view.left_out,
        "seconds": sum(m.seconds for m in view.measurements),
        "cpu_seconds": sum(m.cpu_seconds for m in view.measurements),
        "space": f"{view.space.size:.4g}",
    }


def _workers(measurements: Sequence[Measurement]) -> int:
    return len({m.worker for m in measurements if m.worker})


def _sessions(view: RunView) -> list[dict[str, Any]]:
    """What the ledger's headers say: one entry for each time the run was begun or continued."""
    names = ("time", "host", "pid", "versions", "sampler", "trials", "seed")
    return [{n: h[n] for n in names if n in h} for h in view.recorded.contents.headers]


def _plain(value: Any) -> Any:
    """Return JSON data: numbers that are not finite become None, others keep seven digits."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value


__all__ = ["abscissa", "gather", "place_of", "sample"]
