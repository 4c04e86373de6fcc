"""What `nas space` shows of a job's space: size, choices, refusals, range of costs."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.budget import cheapest, exceeded, least
from plugnas.nas.cost.quantity import short
from plugnas.nas.cost.table import CostTable
from plugnas.nas.run.target import Target
from plugnas.nas.samplers import Problem

Codes = NDArray[np.int16]


def describe(target: Target, samples: int) -> dict[str, Any]:
    """Return the space as JSON data; quantiles are those of random architectures.

    ``refused`` says why no search could begin: nothing found meets the budget. ``cheapest`` is the
    architecture that is nearest to it, named where none of the sampled ones meets it. Latency is
    known where the job names a table or the run has kept one; a limit of it is left out elsewhere.
    """
    space, job = target.space, target.job
    costs = CostTable() if target.view is None else CostTable.load(target.view.run.costs)
    cost = NetworkCost(space, costs, target.latency_table())
    budget = {name: limit for name, limit in job.limits.items() if name in cost.names}
    codes = space.sample_codes(samples, np.random.default_rng(job.seed))
    problem = Problem(space, objectives=job.objectives, budget=budget, cost=cost)
    within = problem.within(problem.costs(codes))
    data = {
        "size": space.size,
        "fingerprint": space.fingerprint,
        "input": [int(n) for n in str(_fixed(target, "input")).split("x")],
        "classes": _fixed(target, "classes"),
        "parameters": [
            {"name": p.name, "choices": list(p.choices), "when": _condition(p)}
            for p in space.parameters
        ],
        "refusals": space.refusals(),
        "costs": _ranges(target, cost, codes),
        "budget": job.limits,
        "unknown": [name for name in job.limits if name not in budget],
        "within_budget": float(within.mean()),
        "samples": samples,
        "cheapest": None,
        "refused": None,
    }
    if budget and not within.any():
        nearest, excess = least(space, cost, budget)
        data["cheapest"] = {
            "id": nearest.id,
            "costs": cost.cost(nearest),
            "architecture": nearest.values,
        }
        if excess > 0:
            data["refused"] = exceeded(cost, budget, nearest)
    return data


def _ranges(target: Target, cost: NetworkCost, codes: Codes) -> dict[str, dict[str, float]]:
    costs = cost.costs_of(codes)
    ranges = {}
    for name in cost.names:
        low, middle, high = np.quantile(costs[name], (0.05, 0.5, 0.95))
        ranges[name] = {
            "least": min(cheapest(target.space, cost, name)[1], float(costs[name].min())),
            "q05": float(low),
            "median": float(middle),
            "q95": float(high),
            "most_sampled": float(costs[name].max()),
        }
    return ranges


def _fixed(target: Target, name: str) -> int | str:
    """Return what the images decide: ``input`` (CxHxW) or ``classes``."""
    return next(p.choices[0] for p in target.space.parameters if p.name == name)


def _condition(parameter: Any) -> str | None:
    if parameter.parent is None:
        return None
    return f"{parameter.parent} = {' or '.join(map(str, parameter.when))}"


def text(data: dict[str, Any]) -> str:
    """Return the space as a page to read."""
    size = data["size"]
    about = f" ({float(size):.2g})" if size >= 1e6 else ""
    lines = [f"{size:,} architecture{'s' * (size != 1)}{about}", ""]
    choices = [p for p in data["parameters"] if len(p["choices"]) > 1]
    lines += [f"{len(choices)} choice{'s' * (len(choices) != 1)}:"]
    width = max((len(p["name"]) for p in choices), default=0)
    for p in choices:
        condition = f"   [if {p['when']}]" if p["when"] else ""
        line = f"  {p['name']:<{width}}  {' '.join(map(str, p['choices']))}{condition}"
        lines += textwrap.wrap(
            line, max(100, width + 60), subsequent_indent=" " * (width + 4),
            drop_whitespace=True, break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    head = "".join(f"{w:>10}" for w in ("least", "5 %", "median", "95 %", "most"))
    lines += [
        "",
        f"{'cost':<13}{head}   (of {data['samples']} random architectures; least: searched)",
    ]
    for name, row in data["costs"].items():
        lines.append(f"{name:<13}" + "".join(f"{short(value):>10}" for value in row.values()))
    if data["budget"]:
        lines += ["", *_budget_text(data)]
    refusals = data["refusals"]
    lines += ["", f"{len(refusals)} refused combinations" + (":" if refusals else "")]
    lines += [f"  {reason}" for reason in refusals[:10]]
    if len(refusals) > 10:
        lines.append(f"  and {len(refusals) - 10} more (--json lists them)")
    return "\n".join(lines)


def _budget_text(data: dict[str, Any]) -> list[str]:
    known = {n: v for n, v in data["budget"].items() if n not in data["unknown"]}
    limits = ", ".join(f"{name} <= {short(v)}" for name, v in known.items())
    lines = []
    if limits and data["cheapest"] is None:
        lines.append(f"within the budget {limits}: {100 * data['within_budget']:.1f} % of them")
    elif limits:
        found = data["cheapest"]
        has = ", ".join(f"{name} {short(found['costs'][name])}" for name in known)
        lines += [
            f"within the budget {limits}: none of them"
            + (", nor anything that a search for it finds" if data["refused"] else ""),
            f"the cheapest found, {found['id']}, has {has}; in full:",
            *(f"  {name} {value}" for name, value in found["architecture"].items()),
        ]
    if data["unknown"]:
        names = ", ".join(data["unknown"])
        lines.append(f"{names}: known once measured (`nas search` does so, or `nas latency`)")
    return lines
