"""Make the prior that ships: one effect for each module of a slot, from recorded trainings.

    python experiments/prior.py

reads the trainings of networks of our own that the table of modules rests on (balanced sets in
experiments/records/2026-11-27_evidence, earlier recorded searches) and writes
``nas/samplers/known/effects.json``. Effects are those of experiments/evidence_model.py: in log odds
of the accuracy at equal FLOPs, drawn towards the mean of their slot as far as the trainings leave
them open, so that a module that was seen little, or is at odds with itself, counts as nearly an
average one. Here they are taken from that mean, for a hint says which modules to prefer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evidence_model import CONTROL, Run, fit
from evidence_source import REFERENCES, trainings

HERE = Path(__file__).parent
RECORD = HERE / "records" / "2026-11-27_evidence"
FILE = HERE.parent / "nas/samplers/known/effects.json"


def prior(runs: list[Run]) -> dict[str, Any]:
    """Return what the file of the package holds, by these trainings."""
    against = REFERENCES["backbone"]
    slots = fit(runs).slots
    told = {
        slot: _from_mean({reference: 0.0} | {m: e.effect for m, e in slots[slot].modules.items()})
        for slot, reference in against.items()
        if slot in slots
    }
    return {"sets": sorted({run.data_set for run in runs}), "effects": told}


def _from_mean(effects: Mapping[str, float]) -> dict[str, float]:
    """Return effects less their mean; the placebo of the table is no module."""
    known = {module: effect for module, effect in effects.items() if module != CONTROL}
    mean = sum(known.values()) / len(known)
    return {module: round(effect - mean, 4) for module, effect in sorted(known.items())}


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(prior(trainings("backbone", RECORD)), indent=1) + "\n")


if __name__ == "__main__":
    main()
