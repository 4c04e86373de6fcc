"""What `nas space` shows of a job's space: size, choices, refusals, range of costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nas.feasibility import cheapest
from nas.preparation import Prepared
from nas.samplers import Problem
from nas.zoo_report import short

SHOWN = ("params", "flops", "memory")


def describe(prepared: Prepared, samples: int) -> dict[str, Any]:
    """Return the space as JSON data; quantiles are those of random architectures."""
    space, cost, job = prepared.space, prepared.cost, prepared.job
    codes = space.sample_codes(samples, np.random.default_rng(job.seed))
    costs = cost.costs_of(codes)
    problem = Problem(space, objectives=job.objectives, budget=job.limits, cost=cost)
    within = problem.within(problem.costs(codes))
    ranges = {}
    for name in cost.names:
        low, middle, high = np.quantile(costs[name], (0.05, 0.5, 0.95))
        least = min(cheapest(space, cost, name)[1], float(costs[name].min()))
        ranges[name] = {
            "least": least,
            "q05": float(low),
            "median": float(middle),
            "q95": float(high),
            "most_sampled": float(costs[name].max()),
        }
    return {
        "size": space.size,
        "fingerprint": space.fingerprint,
        "input": list(prepared.dataset.input_shape),
        "classes": len(prepared.dataset.classes),
        "parameters": [
            {"name": p.name, "choices": list(p.choices), "when": _condition(p)}
            for p in space.parameters
        ],
        "refusals": space.refusals(),
        "costs": ranges,
        "budget": job.limits,
        "within_budget": float(within.mean()),
        "samples": samples,
    }


def _condition(parameter: Any) -> str | None:
    if parameter.parent is None:
        return None
    return f"{parameter.parent} = {' or '.join(map(str, parameter.when))}"


def text(data: dict[str, Any]) -> str:
    """Return the space as a page to read."""
    lines = [f"{data['size']:,} architectures ({float(data['size']):.2g})", ""]
    choices = [p for p in data["parameters"] if len(p["choices"]) > 1]
    lines += [f"{len(choices)} choices:"]
    width = max((len(p["name"]) for p in choices), default=0)
    for p in choices:
        condition = f"   [if {p['when']}]" if p["when"] else ""
        lines.append(f"  {p['name']:<{width}}  {' '.join(map(str, p['choices']))}{condition}")
    head = "".join(f"{w:>10}" for w in ("least", "5 %", "median", "95 %", "most"))
    lines += [
        "",
        f"{'cost':<13}{head}   (of {data['samples']} random architectures; least: searched)",
    ]
    for name, row in data["costs"].items():
        lines.append(f"{name:<13}" + "".join(f"{short(value):>10}" for value in row.values()))
    if data["budget"]:
        limits = ", ".join(f"{name} <= {short(v)}" for name, v in data["budget"].items())
        lines += ["", f"within the budget {limits}: {100 * data['within_budget']:.1f} % of them"]
    refusals = data["refusals"]
    lines += ["", f"{len(refusals)} refused combinations" + (":" if refusals else "")]
    lines += [f"  {reason}" for reason in refusals[:10]]
    if len(refusals) > 10:
        lines.append(f"  and {len(refusals) - 10} more (--json lists them)")
    return "\n".join(lines)
