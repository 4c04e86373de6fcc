"""A confirmation as a table to read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plugnas.nas.confirm.hosted import HOST, PLACEBO, hosts_of, sentences
from plugnas.nas.confirm.outcome import CONTROL, FRONT, Confirmation, Confirmed
from plugnas.nas.confirm.statistics import Estimate
from plugnas.nas.cost.quantity import short
from plugnas.nas.front.doubt import interval_of, range_text
from plugnas.nas.front.metric import PROPORTIONS, Metric
from plugnas.nas.machine.table import text_table


def to_text(found: Confirmation) -> str:
    """Return members, rank correlation, luck and what can be told apart."""
    images = found.about.get("test_images")
    epochs = (found.about.get("recipe") or {}).get("epochs")
    costs = _costs(found)
    lines = [
        f"{len(found.of(FRONT))} of the front and {_beside(found)}, "
        f"trained {epochs} epoch{'s' * (epochs != 1)} on train + validation images, scored on "
        f"{images} test images{_by_own(found)}",
        "",
    ]
    head = ["id", "", f"test {found.metric.name}", "n", *costs, "proxy, search", "proxy, again"]
    rows = [_row(m, found.metric, costs) for m in found.members]
    lines += [f"  {line}" for line in text_table(head, rows, align="ll" + "r" * (len(head) - 2))]
    if found.failed:
        lines.append(f"  {found.failed} trainings failed")
    if found.missing:
        lines.append(f"  {found.missing} trainings are still to be made; the same command goes on")
    if found.left_out is not None:
        lines.append(f"  {found.left_out}")
    return "\n".join([*lines, "", *verdicts(found)])


def _by_own(found: Confirmation) -> str:
    """Return which settings of the training are each network's own."""
    own = found.about.get("recipe_varies", ())
    return f"; each by its own {', '.join(own)}" if own else ""


def _beside(found: Confirmation) -> str:
    """Return in words what the front is held against."""
    if HOST not in found.about:
        return f"{len(found.of(CONTROL))} random architectures"
    placebos = len(found.of(PLACEBO))
    each = " by each recipe" if len(hosts_of(found.about)) > 1 else ""
    return f"the host unchanged{each} with {placebos} placebo{'s' * (placebos != 1)}"


def _costs(found: Confirmation) -> list[str]:
    """Return the costs that stand in the table: FLOPs and parameters, else the first two."""
    known = list(found.members[0].costs)
    return [name for name in ("flops", "params") if name in known] or known[:2]


def _row(m: Confirmed, metric: Metric, costs: Sequence[str]) -> list[str]:
    return [
        m.id,
        m.kind,
        f"{metric.mean_text(m.mean, m.std)} {_reach(m, metric)}".rstrip(),
        str(m.n),
        *(short(m.costs.get(name, math.nan)) for name in costs),
        metric.text(m.proxy),
        metric.text(m.proxy_again),
    ]


def _reach(m: Confirmed, metric: Metric) -> str:
    """Return the 95 % interval from images and seeds."""
    return range_text(interval_of(m.mean, metric, m.images, m.std, m.n, m.told), metric)


def verdicts(found: Confirmation) -> list[str]:
    """Return, in sentences, what the confirmations tell together."""
    metric = found.metric
    lines = [
        *sentences(found.members, found.about, metric),
        f"Kendall's tau, proxy measured afresh against test: {_interval(found.tau)}",
        f"Kendall's tau on the front alone, proxy as searched against test: "
        f"{_interval(found.tau_front)}",
    ]
    luck = found.luck
    if luck is not None:
        p = luck.points
        low, high = metric.change_text(p.low), metric.change_text(p.high)
        spread = "" if math.isnan(p.low) else f" [{low}, {high}]"
        lines.append(
            f"Luck: trained by the proxy again under another seed, a front member "
            f"{'loses' if p.value >= 0 else 'gains'} {metric.size_text(abs(p.value))}"
            f"{metric.unit or f' of {metric.name}'} on "
            f"average{spread}. The front's lead over the random architectures in hypervolume goes "
            f"from {luck.searched.lead:+.3f} to {luck.again.lead:+.3f}{_share(luck.share)}; after "
            f"the long training, on test images, it is {luck.confirmed.lead:+.3f}."
        )
    lines.append(told_apart(found))
    images = found.about.get("test_images")
    best = max((m.mean for m in found.of(FRONT)), default=math.nan)
    if images and metric.name in PROPORTIONS and 0 < best < 1:
        error = 100 * math.sqrt(best * (1 - best) / images)
        lines.append(
            f"± is over seeds; {images} test images add ± {error:.2f} points to each, the same "
            "images for all."
        )
    return lines


def _share(share: float) -> str:
    """Return how much of a lead was luck, in words: a share may come out below 0 or above 1."""
    if math.isnan(share):
        return ""
    if share <= 0:
        return ": none of the lead was luck"
    return f": {100 * min(share, 1):.0f} % of the lead was luck"


def told_apart(found: Confirmation) -> str:
    """Return which front members the seeds tell apart."""
    if len(found.of(FRONT)) < 2:
        return "The front has fewer than two members, so there is nothing to compare."
    if not found.pairs:
        return "One seed of each does not show which members differ; give --seeds 2 or more."
    apart = [p for p in found.pairs if p.distinguishable]
    text = (
        f"{len(apart)} of {len(found.pairs)} pairs of the front are distinguishable (pooled t "
        "tests, Holm, 5 %)"
    )
    known = _costs(found)
    costs = {m.id: m.costs.get(known[0], math.nan) if known else math.nan for m in found.members}
    wasted = []
    for p in found.pairs:
        if not p.distinguishable and min(costs[p.first], costs[p.second]) > 0:
            cheap, dear = sorted((p.first, p.second), key=lambda name: costs[name])
            wasted.append((costs[dear] / costs[cheap], dear, cheap))
    if wasted:
        ratio, dear, cheap = max(wasted)
        text += f"; {dear[:6]} costs {ratio:.1f} times {cheap[:6]} and is not shown to be better"
    return text + "."


def _interval(value: Estimate) -> str:
    if math.isnan(value.value):
        return f"not known from {value.n} architectures"
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}], n = {value.n}"


__all__ = ["to_text", "told_apart", "verdicts"]
