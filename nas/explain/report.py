"""The explanation of a run: effects from all its measurements, and the pairs among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.explain.advice import Advice, advice, only_open
from plugnas.nas.explain.design import Slot, all_slots
from plugnas.nas.explain.effect import Effect
from plugnas.nas.explain.effects import ExplainError, Explanation, explain
from plugnas.nas.explain.int8 import Int8Losses, int8_losses
from plugnas.nas.explain.pairs import Comparison, comparisons
from plugnas.nas.explain.places import sentences
from plugnas.nas.explain.settle import judged_space, settled
from plugnas.nas.explain.text import effects_text, nothing_text, pairs_text
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.latency import LatencyNote, latency_note
from plugnas.nas.run.names import called, names_of
from plugnas.nas.run.view import RunView
from plugnas.space.host.names import parse
from plugnas.space.placebo import PLACEBO
from plugnas.space.training import heights_of

Row = TypeVar("Row", Effect, Comparison)


@dataclass(frozen=True)
class RunExplanation:
    """What a run says of its modules. ``reason`` tells why there is no model, where it is None.

    ``advice`` is the experiment that would settle what is open, where there is one.
    """

    model: Explanation | None
    reason: str | None
    pairs: tuple[tuple[Comparison, ...], ...]
    latency: LatencyNote | None = None
    misfits: int = 0
    left_out: str | None = None
    advice: Advice | None = None
    int8: Int8Losses | None = None

    @property
    def nothing(self) -> str | None:
        """A sentence that sums up where nothing is settled; None where something is."""
        if self.model is None or self.pairs or not only_open(self.model):
            return None
        return nothing_text(self.model)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data; documented in docs/json.md."""
        return {
            "model": None if self.model is None else self.model.to_dict(),
            "reason": self.reason,
            "pairs": [c.to_dict() for table in self.pairs for c in table],
            "misfits": self.misfits,
            "nothing": self.nothing,
            "advice": None
            if self.advice is None
            else {**asdict(self.advice), "text": self.advice.text},
            "latency": None if self.latency is None else asdict(self.latency),
            "int8": None if self.int8 is None else self.int8.to_dict(),
        }

    def to_text(self) -> str:
        """Return tables to read."""
        first = str(self.reason) if self.model is None else effects_text(self.model)
        last = [] if self.advice is None else [f"To settle what is open: {self.advice.text}."]
        last += [] if self.left_out is None else [self.left_out]
        last += [] if self.int8 is None else [self.int8.to_text()]
        if self.nothing is not None:
            return "\n".join([self.nothing, *last])
        tables = [pairs_text(table, self.latency) for table in self.pairs]
        return "\n\n".join([first, *tables, *last])


def explain_run(view: RunView) -> RunExplanation:
    """Explain a run from its ledger and from the controlled experiments made after it."""
    extra, space = settled(view), judged_space(view)
    measurements = [*view.measurements, *extra]
    model, reason = None, None
    controlled = [s for s in all_slots(space) if _deserves_pairs(view, s, extra)]
    tables = [
        tuple(comparisons(space, s, _controlled(s, view, extra), view.metric, view.budget))
        for slot in controlled
        for s in _references(slot)
    ]
    try:
        if _one_slot_varies(view):
            raise ExplainError(
                "all architectures differ in one slot alone, so cost cannot be held equal; the "
                "table of pairs has all that is known"
            )
        model = explain(space, measurements, view.metric, _held_equal(view))
    except PlugnasError as error:
        reason = str(error)
    names, heights = names_of(view.directory), heights_of(space)
    return RunExplanation(
        None if model is None else _called(model, names, heights),
        reason,
        tuple(_renamed(t, {**names, **heights}) for t in tables if t),
        latency_note(view.run),
        len(view.misfits),
        view.left_out,
        advice(view, model, [slot.name for slot in controlled]),
        int8_losses(view),
    )


def _called(
    model: Explanation, names: Mapping[str, str], heights: Mapping[str, str]
) -> Explanation:
    """Return an explanation with modules and sizes of images called as the job calls them."""
    effects, which = _renamed(model.effects, names), _renamed(model.which, names)
    told = tuple(sentences(effects, which, model.metric))
    training = _renamed(model.training, heights)
    return replace(model, effects=effects, which=which, told=told, training=training)


def _renamed(found: Sequence[Row], names: Mapping[str, str]) -> tuple[Row, ...]:
    """Return effects or pairs with the choices called as the job calls them."""
    return tuple(
        replace(e, choice=called(e.choice, names), against=called(e.against, names)) for e in found
    )


def _held_equal(view: RunView) -> tuple[str, ...]:
    """Return the costs that an explanation holds equal: those among the objectives, else FLOPs."""
    return tuple(name for name in view.objectives if name in view.costs) or ("flops",)


def _references(slot: Slot) -> Iterator[Slot]:
    """Yield a slot as it is, and held against its placebo where it has one."""
    yield slot
    if PLACEBO in slot.choices and slot.reference != PLACEBO:
        yield replace(slot, reference=PLACEBO)


def slot_named(view: RunView, name: str) -> Slot:
    """Return a slot of the run's space by name, the site of a host by its path too.

    Raises:
        ExplainError: there is none with a choice, or several sites have this path.
    """
    slots = {s.name: s for s in all_slots(view.space)}
    at = [s for s in slots.values() if (holder := parse(s.name)) and holder.where == name]
    if len(at) == 1 and name not in slots:
        return at[0]
    if name not in slots:
        known = ", ".join(slots) or "none"
        raise ExplainError(
            f"`{name}` is not a slot of this run (slots with more than one choice: {known})"
            f"{did_you_mean(name, slots)}"
        )
    return slots[name]


def _one_slot_varies(view: RunView) -> bool:
    varied = [p for p in view.space.parameters if len(p.choices) > 1]
    chosen = [p for p in varied if p.families is not None]
    return len(chosen) == 1 and all(p.slot == chosen[0].slot for p in varied)


def _controlled(slot: Slot, view: RunView, extra: Sequence[Measurement]) -> Sequence[Measurement]:
    """The slot's own experiment, or, where the whole run is one, all of it."""
    own = [m for m in extra if m.extra.get("settle") == slot.name]
    return [*view.measurements, *own] if _one_slot_varies(view) else own


def _deserves_pairs(view: RunView, slot: Slot, extra: Sequence[Measurement]) -> bool:
    """Chance pairs of a search are few and chosen by it: only controlled ones get a table."""
    return _one_slot_varies(view) or any(m.extra.get("settle") == slot.name for m in extra)


__all__ = ["RunExplanation", "explain_run", "slot_named"]
