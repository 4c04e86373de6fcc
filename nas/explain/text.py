"""An explanation as tables to read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plugnas.nas.cost.quantity import short
from plugnas.nas.explain.effect import Effect
from plugnas.nas.explain.effects import Explanation
from plugnas.nas.explain.pairs import Comparison
from plugnas.nas.explain.places import site_text
from plugnas.nas.front.metric import Metric
from plugnas.nas.run.latency import LatencyNote


def effects_text(found: Explanation) -> str:
    """Return the effects, slot by slot, with their verdicts."""
    metric = found.metric
    equal = f" at equal {' and '.join(found.costs)}" if found.costs else ""
    lines = [
        f"From {found.measurements} measurements of {found.architectures} architectures; one "
        f"evaluation scatters by {metric.size_text(found.noise)}{metric.unit}.",
        f"Effect: change in {metric.name}{', in points' * metric.percent}{equal}, "
        f"at {metric.name} {metric.text(found.at)}, with its 95 % interval;",
        "a model over all measurements (nas/explain/model.py), so a sampler's preferences do not "
        "count for a module.",
    ]
    lines += _of_host(found)
    for slot in dict.fromkeys(e.slot for e in found.effects):
        own = found.of(slot)
        lines += ["", f"{slot}, against {own[0].against}"]
        lines += [_effect_line(e, metric) for e in own]
    lines += _of_training(found)
    count = len(found.effects) + len(found.training)
    chance = 0.05 * count
    lines += ["", f"Of {count} intervals about {chance:.1f} miss their effect by "
              "chance."]  # fmt: skip
    return "\n".join(lines)


def nothing_text(found: Explanation) -> str:
    """Return in one sentence that nothing is settled, and by how much one evaluation scatters."""
    metric = found.metric
    slots = ", ".join(dict.fromkeys(e.slot for e in (*found.effects, *found.training)))
    return (
        f"Not enough evidence yet: from {found.measurements} measurements of {found.architectures} "
        f"architectures no choice of {slots} is told from its reference, since one evaluation "
        f"scatters by {metric.size_text(found.noise)}{metric.unit}."
    )


def _of_training(found: Explanation) -> list[str]:
    """Return the effects of training settings, apart from those of modules."""
    if not found.training:
        return []
    lines = ["", "training settings, apart from modules; each against the first of its list"]
    for setting in dict.fromkeys(e.slot for e in found.training):
        own = [e for e in found.training if e.slot == setting]
        lines += ["", f"{setting}, against {own[0].against}"]
        lines += [_effect_line(e, found.metric) for e in own]
    return lines


def _of_host(found: Explanation) -> list[str]:
    """Return where in a host it pays and which module does, in two sentences and two tables."""
    if not found.told:
        return []
    metric = found.metric
    by_effect = sorted(found.which, key=lambda e: -metric.sign * e.effect)
    return [
        "", *found.told,
        "", "where: any module at a site, on average over those tried there, against the host",
        *[_effect_line(e, metric, site_text(e.slot)) for e in found.where],
        "", "which: each module, on average over the sites at which it was tried, against the host",
        *[_effect_line(e, metric) for e in by_effect],
    ]  # fmt: skip


def _effect_line(e: Effect, metric: Metric, name: str | None = None) -> str:
    interval = f"[{metric.change_text(e.low)}, {metric.change_text(e.high)}]"
    return (
        f"  {name or e.choice:<24} {metric.change_text(e.effect):>7}  {interval:<18} "
        f"in {e.architectures:>4} "
        f"architectures  {e.verdict}"
    )


def _over_text(c: Comparison) -> str:
    """Return a mark where the choice leads out of the budget, for then no search would take it."""
    if not c.over_budget:
        return ""
    return "; OVER BUDGET" + (
        f" in {c.over_budget} of {c.pairs}" if c.over_budget < c.pairs else ""
    )


def pairs_text(found: Sequence[Comparison], latency: LatencyNote | None = None) -> str:
    """Return the table of matched pairs of one slot, with what is known of its latencies."""
    slot, against, metric = found[0].slot, found[0].against, found[0].metric
    names = [n for n in ("params", "flops", "latency_ms") if n in found[0].costs]
    head = "".join(f"{name:>20}" for name in names)
    lines = [
        f"{slot}: matched pairs that differ in this slot alone, against {against} "
        f"({'points of ' * metric.percent}{metric.name}, 95 % interval; costs are not equal here)",
        f"  {'choice':<24}{metric.name:>10}{'gain':>8}  {'interval':<18}{'pairs':>6}{head}"
        "  verdict",
    ]
    for c in found:
        ends = f"[{metric.change_text(c.low)}, {metric.change_text(c.high)}]"
        interval = ends if math.isfinite(c.low) else "n = 1"
        if c.choice == against:
            interval = "reference"
        cells = ""
        for name in names:
            added = f" ({100 * c.added[name]:+.0f} %)" if name in c.added else ""
            doubt = "~" if name == "latency_ms" and latency and not latency.ranked else ""
            cells += f"{doubt + short(c.costs[name]) + added:>20}"
        lines.append(
            f"  {c.choice:<24}{metric.text(c.value):>10}{metric.change_text(c.gain):>8}  "
            f"{interval:<18}"
            f"{c.pairs:>6}{cells}  {c.verdict}{_over_text(c)}"
        )
    if len(found) > 3:
        chance = 0.05 * (len(found) - 1)
        lines.append(
            f"  of {len(found) - 1} intervals about {chance:.1f} miss their gain by chance"
        )
    if latency is not None and "latency_ms" in names:
        lines.append(f"  {latency.text}")
    return "\n".join(lines)


__all__ = ["effects_text", "nothing_text", "pairs_text"]
