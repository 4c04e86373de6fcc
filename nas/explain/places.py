"""Where it pays and which module does: effects averaged over modules, and over sites of a host."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.explain.design import PLAIN, Slot
from plugnas.nas.explain.effect import Effect
from plugnas.nas.explain.model import Data
from plugnas.nas.explain.verdicts import PAYS
from plugnas.nas.front.metric import Metric
from plugnas.space.host.names import parse

Array = NDArray[np.float64]
HOST, ANY_MODULE, ANY_SITE = "the host unchanged", "any module", "any site"
CONTROLS = frozenset({"placebo"})  # no module of which it could be said that it pays

Make = Callable[[str, str, str, Array, int], Effect]
"""An effect from slot, choice, against, weights of the effects, and architectures that hold it."""


def averages(
    slots: Sequence[Slot], rows: Data, make: Make
) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
    """Return the effects of plugging at each site, and of each module, the largest number first.

    A site's is the mean over the modules that were tried there, a module's over the sites at which
    it was tried, each weighted by the number of architectures that hold it there.

    Args:
        slots: the sites of a host; none give no averages.
        rows: what was measured.
        make: makes an effect of the weights.
    """
    shares, architecture = rows.shares, rows.architecture
    cells: dict[tuple[str, str], tuple[int, int]] = {}
    column = 0
    for slot in slots:
        reference = column + slot.choices.index(slot.reference)
        for k, choice in enumerate(slot.choices):
            if slot.reference in PLAIN and column + k != reference and choice not in CONTROLS:
                cells[slot.name, str(choice)] = (column + k, reference)
        column += len(slot.choices)

    def mean(slot: str, choice: str, own: Sequence[tuple[int, int]]) -> Effect | None:
        held = [len(np.unique(architecture[shares[:, c] > 0])) for c, _ in own]
        if not sum(held):
            return None
        weights = np.zeros(shares.shape[1])
        for (c, reference), count in zip(own, held, strict=True):
            weights[c] += count / sum(held)
            weights[reference] -= count / sum(held)
        some = (shares[:, [c for c, _ in own]] > 0).any(axis=1)
        return make(slot, choice, HOST, weights, len(np.unique(architecture[some])))

    sites = dict.fromkeys(site for site, _ in cells)
    modules = dict.fromkeys(module for _, module in cells)
    where = [mean(s, ANY_MODULE, [c for (at, _), c in cells.items() if at == s]) for s in sites]
    which = [mean(ANY_SITE, m, [c for (_, of), c in cells.items() if of == m]) for m in modules]
    return tuple(e for e in where if e is not None), tuple(e for e in which if e is not None)


def site_text(slot: str) -> str:
    """Return ``after layer3`` for ``after.layer3.attention``; the slot where it is no attention."""
    holder = parse(slot)
    if holder is None:
        return slot
    word = "after" if holder.how == "after" else "in place of"
    kind = "" if holder.slot == "attention" or holder.how == "replace" else f" ({holder.slot})"
    return f"{word} {holder.where}{kind}"


def sentences(cells: Sequence[Effect], which: Sequence[Effect], metric: Metric) -> list[str]:
    """Return in two sentences where it pays to plug something in, and which module pays.

    Args:
        cells: the effects of each module at each site.
        which: those of each module on average over its sites; without any nothing is said.
        metric: what they are effects on.
    """
    if not which:
        return []
    order = sorted(
        (e for e in cells if e.choice not in CONTROLS), key=lambda e: -metric.sign * e.effect
    )
    paying = [e for e in order if e.verdict == PAYS]
    if not paying:
        best, of_all = order[0], min(which, key=lambda e: -metric.sign * e.effect)
        return [
            f"Nowhere is it shown that a plug pays; the most promising is `{best.choice}` "
            f"{site_text(best.slot)} ({_change(best, metric)}).",
            f"No module is shown to pay; the best on average over its sites is `{of_all.choice}` "
            f"({_change(of_all, metric)}).",
        ]
    best_at = {e.slot: e for e in reversed(paying)}  # the best of each site comes last, and stays
    places = [
        f"{site_text(e.slot)} (`{e.choice}` {_change(e, metric)})"
        for e in paying
        if best_at[e.slot] is e
    ]
    means = {e.choice: e for e in which}
    modules = []
    for name in dict.fromkeys(e.choice for e in paying):
        tried, own = (sum(e.choice == name for e in some) for some in (order, paying))
        mean = _change(means[name], metric)
        modules.append(f"`{name}` (at {own} of {tried} sites; on average over them {mean})")
    return [f"It pays {_listed(places)}.", f"The modules that pay: {_listed(modules)}."]


def _listed(words: Sequence[str], most: int = 4) -> str:
    more = f", and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _change(e: Effect, metric: Metric) -> str:
    unit = " points" if metric.percent else f" {metric.name}"
    interval = f"[{metric.change_text(e.low)}, {metric.change_text(e.high)}]"
    return f"{metric.change_text(e.effect)}{unit} {interval}"


__all__ = ["averages", "sentences", "site_text"]
