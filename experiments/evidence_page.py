"""The page of the table of modules: docs/evidence.md, its picture, and effects.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import evidence_source as source
import numpy as np
from evidence_model import (
    CONTROL,
    Effect,
    Model,
    Run,
    SlotEffects,
    carried_over,
    certain,
    dealt,
    fit,
)
from evidence_picture import AT, draw, rank

from plugnas import modules

DATA_SETS = {
    "digits": "digits",
    "cifar10": "CIFAR-10",
    "signs": "hand signs",
    "steel": "steel defects",
}


@dataclass(frozen=True)
class Kind:
    """All trainings in backbones, or in hosts, and what they say."""

    name: str
    runs: Sequence[Run]
    model: Model

    @property
    def slots(self) -> dict[str, SlotEffects]:
        """The slots of the table, without those that are kept apart (activation, pooling)."""
        wanted = source.REFERENCES[self.name]
        return {s: self.model.slots[s] for s in wanted if s in self.model.slots}


def write_page(record: Path, docs: Path) -> None:
    """Write the page, its picture and effects.json of what a record and earlier ones hold."""
    kinds = [k for k in (_kind(name, record) for name in source.REFERENCES) if k is not None]
    (record / "effects.json").write_text(json.dumps(effects(kinds), indent=1) + "\n")
    draw(kinds, docs / "evidence.png")
    costs = json.loads((record / "costs.json").read_text())
    frame = (Path(__file__).parent / "evidence" / "page.md").read_text()
    frame = frame.replace("{runs}", runs_text(kinds, record))
    seconds = sum(source.read(path)[1] for path in record.glob("*_*.csv"))
    frame = frame.replace("{minutes}", f"{seconds / 60:.0f}")
    frame = frame.replace("{summary}", summary(kinds)).replace("{checks}", checks(kinds))
    for slot in source.REFERENCES["backbone"]:
        own = [k for k in kinds if slot in k.slots]
        frame = frame.replace(f"{{{slot}}}", slot_text(slot, own, costs.get(slot, {})))
    (docs / "evidence.md").write_text(frame)


def _kind(name: str, record: Path) -> Kind | None:
    runs = source.trainings(name, record)
    return Kind(name, runs, fit(runs)) if runs else None


def points(effect: float) -> float:
    """Return what a change of the log odds makes of an accuracy of 80 %, in points."""
    return 100 * (1 / (1 + math.exp(-(math.log(AT / (1 - AT)) + effect))) - AT)


def effects(kinds: Sequence[Kind]) -> dict[str, Any]:
    """Return what a prior reads (effects.json)."""
    told: dict[str, Any] = {}
    for kind in kinds:
        for slot, found in kind.slots.items():
            apart = math.hypot(found.between, found.shift)
            told.setdefault(kind.name, {})[slot] = {
                "against": source.REFERENCES[kind.name][slot],
                **_rounded(mean=found.mean[0], mean_error=found.mean[1]),
                **_rounded(spread=found.spread, between=found.between, shift=found.shift),
                "modules": {key: _told(e, apart) for key, e in found.modules.items()},
            }
    sets = [n for n in DATA_SETS if any(r.data_set == n for k in kinds for r in k.runs)]
    return {"format": 1, "unit": "log-odds", "data_sets": sets, "kinds": told}


def _told(e: Effect, apart: float) -> dict[str, Any]:
    return {
        **_rounded(effect=e.effect, low=e.low, high=e.high, error=e.error),
        "data_sets": len(e.each),
        **_rounded(expected=e.effect, expected_error=math.hypot(e.error, apart)),
        "each": {n: [round(v, 4) for v in found[:2]] for n, found in e.each.items()},
    }


def _rounded(**values: float) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def runs_text(kinds: Sequence[Kind], record: Path) -> str:
    """Return the table of the runs that the page rests on."""
    lines = [
        "| trainings of | kind | networks | accuracy: lowest, median, highest | "
        "one training scatters by | processor minutes |",
        "|:--|:--|--:|:--|--:|--:|",
    ]
    for kind in kinds:
        for run in kind.runs:
            low, middle, high = (100 * np.quantile(run.accuracy, q) for q in (0, 0.5, 1))
            name, file = DATA_SETS[run.data_set], record / f"{run.name}.csv"
            own = file.exists()
            minutes = f"{source.read(file)[1] / 60:.1f}" if own else "recorded before"
            lines.append(
                f"| {name if own else f'{name} ({run.name})'} | {kind.name} | {len(run.accuracy)} "
                f"| {low:.1f}, {middle:.1f}, {high:.1f} % | {kind.model.noise[run.name]:.2f} | "
                f"{minutes} |"
            )
    return "\n".join(lines)


def summary(kinds: Sequence[Kind]) -> str:
    """Return the table of how much is shown in each slot."""
    lines = [
        "| slot, against | modules tried | pay | do harm | after correction: pay | do harm | "
        "told from the average | on average | modules differ by | "
        "data sets: one module by | all by |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind in kinds:
        for slot, found in kind.slots.items():
            own = {k: e for k, e in found.modules.items() if k != CONTROL}
            counts = [
                sum(test(own[k]) for k in some)
                for some in (own, certain(found))
                for test in (pays, harms)
            ]
            against = source.REFERENCES[kind.name][slot]
            zoo = {e.key for e in modules.entries(slot)} - {against, CONTROL} | set(own)
            lines.append(
                f"| {slot} in a {kind.name}, `{against}` | {len(own)} of {len(zoo)} | "
                f"{' | '.join(map(str, counts))} | {sum(e.stands_out for e in own.values())} | "
                f"{_interval(*_ends(*found.mean))} | "
                f"{found.spread:.2f} | {found.between:.2f} | {found.shift:.2f} |"
            )
    return "\n".join(lines)


def pays(e: Effect) -> bool:
    """Whether the whole interval is above 0."""
    return e.low > 0


def harms(e: Effect) -> bool:
    """Whether the whole interval is below 0."""
    return e.high < 0


def checks(kinds: Sequence[Kind], times: int = 10) -> str:
    """Return what is found where nothing is, and how well data sets foretell each other."""
    lines = ["| kind | intervals without 0 where accuracies are dealt anew | carried over |",
             "|:--|:--|:--|"]  # fmt: skip
    for kind in kinds:
        wrong = of = 0
        for seed in range(times):
            for found in fit(dealt(kind.runs, seed)).slots.values():
                wrong += sum(pays(e) or harms(e) for e in found.modules.values())
                of += len(found.modules)
        carried = carried_over(kind.runs)
        told = ", ".join(f"{DATA_SETS[n]} {r:.2f} ({count})" for n, (r, count) in carried.items())
        lines.append(f"| {kind.name} | {wrong} of {of:,} ({100 * wrong / of:.1f} %) | {told} |")
    return "\n".join(lines)


def slot_text(slot: str, kinds: Sequence[Kind], costs: Mapping[str, Sequence[float]]) -> str:
    """Return the table of a slot: a row for each module, the best first."""
    known = {k.name: [n for n in DATA_SETS if _tried(k.slots[slot], n)] for k in kinds}
    heads = []
    for k in kinds:
        heads += [k.name, "trainings", *(DATA_SETS[n] for n in known[k.name])]
    lines = [
        f"| module | {' | '.join(heads)} | FLOPs | parameters |",
        f"|:--|{'--:|' * (len(heads) + 2)}",
    ]
    keys = dict.fromkeys(key for k in kinds for key in k.slots[slot].modules)
    sure = {k.name: certain(k.slots[slot]) for k in kinds}
    for key in sorted(keys, key=lambda key: -rank(slot, kinds, key)):
        cells = []
        for kind in kinds:
            e = kind.slots[slot].modules.get(key)
            mark = "**" if key in sure[kind.name] else "*"
            cells += _cells(e, mark, known[kind.name])
        more = [f"x {ratio:.2f}" for ratio in costs.get(key, ())] or ["", ""]
        lines.append(f"| `{key}` | {' | '.join([*cells, *more])} |")
    return "\n".join(lines)


def _tried(found: SlotEffects, data_set: str) -> bool:
    return any(data_set in e.each for e in found.modules.values())


def _cells(e: Effect | None, mark: str, data_sets: Sequence[str]) -> list[str]:
    if e is None:
        return [""] * (2 + len(data_sets))
    text = _interval(*_ends(e.effect, e.error))
    mark = mark if pays(e) or harms(e) else ""
    each = [f"{points(e.each[n][0]):+.1f}" if n in e.each else "" for n in data_sets]
    return [f"{mark}{text}{mark}", str(e.trainings), *each]


def _ends(effect: float, error: float) -> tuple[float, float, float]:
    e = Effect(effect, error, 0, {})
    return points(effect), points(e.low), points(e.high)


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


__all__ = ["Kind", "effects", "points", "slot_text", "summary", "write_page"]
