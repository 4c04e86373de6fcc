"""Does a space with conditions learn as quickly as the same space flattened?

    python experiments/benchmarks/conditional.py nas-bench-macro_cifar10.json --seeds 10

NAS-Bench-Macro twice: each layer as one choice of identity, MBConv3 or MBConv6, and as identity or
MBConv whose expansion of 3 or 6 is a choice of its own. The predictor is told the mean of the
trainings. Hypervolume over FLOPs in percent of the table's; *strict* counts the best 30 % alone.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks import search_tables
from experiments.benchmarks.search_tables import Table
from experiments.benchmarks.warm_start import MARKS, shares
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, create
from plugnas.space import Architecture, SearchSpace

FORMS = {
    "flat": SearchSpace({f"layer{i}": ["id", "mb3", "mb6"] for i in range(8)}),
    "conditional": SearchSpace(
        {f"layer{i}": {"id": {}, "mb": {"expansion": [3, 6]}} for i in range(8)}
    ),
}


def flat(architecture: Architecture) -> Architecture:
    """Return the same network as a member of the flat space."""
    values = {}
    for i in range(8):
        kind = architecture[f"layer{i}"]
        expansion = architecture.get(f"layer{i}.mb.expansion")
        values[f"layer{i}"] = kind if expansion is None else f"mb{expansion}"
    return FORMS["flat"].architecture(values)


def search(table: Table, form: str, seed: int) -> list[Architecture]:
    """Return what the predictor asked for in a form of the space, as members of the flat one."""
    space = FORMS[form]

    class Cost:
        """FLOPs of the table."""

        names = ("flops",)

        def costs_of(self, asked: object) -> dict[str, np.ndarray]:
            """Return the FLOPs of architectures or code rows."""
            found = space.architectures(asked) if isinstance(asked, np.ndarray) else asked
            return table.costs_of([flat(a) for a in found])

        def cost(self, architecture: Architecture) -> dict[str, float]:
            """Return the FLOPs of one architecture."""
            return table.cost(flat(architecture))

    objectives = {"accuracy": "max", "flops": "min"}
    sampler = create("predictor", Problem(space, objectives, cost=Cost(), seed=seed))
    asked = []
    for number in range(max(MARKS)):
        found = sampler.ask(number)
        asked.append(flat(found))
        value = float(table.accuracy[table.of(asked[-1])])
        sampler.tell(Measurement(number, found, 0, 0, "ok", {"accuracy": value}))
    return asked


def main() -> None:
    """Search and print a table in Markdown: means, and the difference with its standard error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("macro", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    table = replace(search_tables.macro(arguments.macro), space=FORMS["flat"])
    rows = {
        form: np.array([shares(table, search(table, form, s)) for s in range(arguments.seeds)])
        for form in FORMS
    }
    names = [f"{kind} at {mark}" for kind in ("HV", "strict") for mark in MARKS]
    print(" | ".join(["| form ", *names]), "|")
    print("|---" * (len(names) + 1) + "|")
    for form, row in rows.items():
        print(" | ".join([f"| {form}", *(f"{v:.1f}" for v in row.mean(axis=0))]), "|")
    gain = rows["conditional"] - rows["flat"]
    error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
    cells = [f"{g:+.1f} ± {e:.1f}" for g, e in zip(gain.mean(axis=0), error, strict=True)]
    print(" | ".join(["| difference", *cells]), "|")


if __name__ == "__main__":
    main()
