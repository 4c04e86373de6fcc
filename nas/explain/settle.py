"""The controlled experiment: networks that differ in one slot alone, trained side by side."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from plugnas.nas.cost import NetworkCost
from plugnas.nas.explain.design import Slot, all_slots, filled
from plugnas.nas.explain.effects import ExplainError
from plugnas.nas.front.member import within
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.prepare_again import prepare_again
from plugnas.nas.run.view import RunView
from plugnas.nas.study.drive import Listener, Outcome
from plugnas.nas.study.fixed import measure_all
from plugnas.space import Architecture, SearchSpace, SpaceError
from plugnas.space.placebo import with_placebo


def settle(
    view: RunView,
    slot: Slot,
    *,
    seeds: int = 3,
    trials: int | None = None,
    on_event: Sequence[Listener] = (),
) -> Outcome:
    """Measure matched pairs of a slot in ``RUN/settle/<slot>.jsonl``; a stopped one goes on.

    Backbones are members of the front, spread over it, then random ones within budget; each is
    given every choice of the slot. At the site of a host the host unchanged is the first backbone,
    and a placebo (``space/placebo.py``) is one more choice. ``trials`` is how many trainings may be
    spent; by default what the job's ``trials`` leave.

    Args:
        view: the run.
        slot: the slot.
        seeds: trainings of each network.
        trials: trainings to spend; by default what the job's ``trials`` leave.
        on_event: called with each event of the trainings.

    Raises:
        ExplainError: too few trials are left for one pair.
    """
    from plugnas.nas.job.workers import evaluator, executor

    run = view.job_run
    path, job = ledger_of(view, slot), run.job
    judged = with_placebo(view.space, [slot.name])
    slot = next(s for s in all_slots(judged) if s.name == slot.name)
    count = _affordable(view, slot, seeds, trials)
    prepared = prepare_again(run)
    space = with_placebo(prepared.space, [slot.name])
    plan = [
        filled(slot, space, base, choice)
        for base in backbones(view, slot, count)
        for choice in slot.choices
        if _fits(space, slot, base, choice)
    ]
    top = evaluator(prepared).last_rung()
    own = space is prepared.space  # a placebo has no measured latency
    return measure_all(
        plan,
        range(seeds),
        path,
        space,
        prepared.cost
        if own
        else NetworkCost(space, prepared.cost.table, dtype=prepared.cost.dtype),
        lambda: executor(prepared, top, job.evaluation_timeout),
        objectives={view.metric.name: view.metric.direction},
        about={"settle": slot.name, "seeds": seeds, "rung": view.top_rung},
        on_event=on_event,
    )


def _affordable(view: RunView, slot: Slot, seeds: int, trials: int | None) -> int:
    """Return how many backbones the trials pay for."""
    job = view.job_run.job
    tried = len({m.architecture.id for m in view.measurements})
    spent = sum(m.extra.get("settle") != slot.name for m in settled(view))
    left = job.trials - tried - spent if trials is None else trials
    per_backbone = seeds * len(slot.choices)
    if left < per_backbone:
        has = f"{max(left, 0)} of the job's {job.trials} trials are left"
        has = has if trials is None else f"--trials is {trials}"
        raise ExplainError(
            f"settling {slot.name} takes {per_backbone} evaluations ({len(slot.choices)} choices x "
            f"{seeds} seeds) per network, but {has}; give "
            f"--trials {per_backbone} or more, or fewer --seeds"
        )
    return left // per_backbone


def backbones(view: RunView, slot: Slot, count: int) -> list[Architecture]:
    """Return networks to hold the choices: of the front from its middle outwards, then random.

    Two that differ in the slot alone count once. Every choice within budget is not asked for: a
    choice that is dearer than the budget can still be compared.
    """
    on = [m.architecture for m in view.front]
    middle = len(on) // 2
    order = sorted(range(len(on)), key=lambda i: abs(i - middle))
    wanted = [*view.controls, *(on[i] for i in order)]
    others = [m.architecture for m in within(view.members, view.budget)]
    mixed = np.random.default_rng(view.job_run.job.seed).permutation(len(others))
    wanted += [others[i] for i in mixed]
    found: dict[Architecture, None] = {}
    for architecture in wanted:
        if len(found) < count and _fits(view.space, slot, architecture, slot.reference):
            found[filled(slot, view.space, architecture, slot.reference)] = None
    return list(found)


def settled(view: RunView) -> list[Measurement]:
    """Return the measurements of all controlled experiments, at the run's highest rung.

    Those of a host are members of ``judged_space(view)``.
    """
    space, found = judged_space(view), list[Measurement]()
    for slot in () if view.directory is None else all_slots(view.space):
        found += [
            replace(m, rung=view.top_rung, extra={**m.extra, "settle": slot.name})
            for m in view.read(ledger_of(view, slot), space).measurements
        ]
    return found


def judged_space(view: RunView) -> SearchSpace:
    """Return the run's space; in a host with a placebo at each site that was settled."""
    if view.directory is None:
        return view.space
    settled_at = [s.name for s in all_slots(view.space) if ledger_of(view, s).exists()]
    return with_placebo(view.space, settled_at)


def ledger_of(view: RunView, slot: Slot) -> Path:
    """Return the ledger of a slot's controlled experiment; the name of a site may have stars."""
    plain = re.sub(r"[^\w.-]", "_", slot.name)
    digest = "" if plain == slot.name else f"-{hashlib.sha256(slot.name.encode()).hexdigest()[:6]}"
    return view.run.path / "settle" / f"{plain}{digest}.jsonl"


def _fits(space: SearchSpace, slot: Slot, base: Architecture, choice: str | int) -> bool:
    try:
        return space.refusal(filled(slot, space, base, choice)) is None
    except SpaceError:  # a block that does not offer the choice
        return False


__all__ = ["backbones", "judged_space", "ledger_of", "settle", "settled"]
