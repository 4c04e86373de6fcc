"""What each aim of the predictor brings, by its own measure and by the others'.

    python experiments/benchmarks/aims.py FILE.jsonl --nb201 FOLDER --latencies FOLDER \
        --macro FILE --made 5

Aims: ``front`` (hypervolume over log cost), ``plain`` (the same over cost as it is, which no job
can ask for), ``limits`` (best within each of four limits, evenly spread in log cost). Measures, in
percent of the best there is: hypervolume over log cost and over plain cost, and the mean over the
limits of the best accuracy, from the median to the best of what keeps the limit. Cases are those of
``search_all.py``; the file is gone on with.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks.search_cases import Case, macro_case, made_cases, nb201_cases
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import create
from plugnas.nas.samplers.predictor.predictor import Predictor

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

AIMS = ("front", "plain", "limits")
MARKS = (25, 50, 100)
LIMITS = 4


def limits_of(case: Case) -> Doubles:
    """Return four limits evenly spread in log cost, the last of which is the dearest network's."""
    cost = case.load(case.sample)
    return np.geomspace(cost.min(), cost.max(), LIMITS + 1)[1:]


def search(case: Case, aim: str, seed: int) -> Codes:
    """Return the codes of what the predictor asked for, in order."""
    problem = case.problem(seed)
    if aim == "limits":
        levels = limits_of(case).tolist()
        problem = replace(problem, levels={"cost": levels}, budget={"cost": levels[-1]})
    sampler = create("predictor", problem)
    if aim == "plain" and isinstance(sampler, Predictor):
        sampler._aim._logged.clear()  # the one thing in which it differs
    rng = np.random.default_rng(10_000 + seed)
    rows = []
    for number in range(max(MARKS)):
        asked = sampler.ask(number)
        rows.append(case.space.codes([asked]))
        told = {"accuracy": float(case.told(rows[-1], rng)[0])}
        sampler.tell(Measurement(number, asked, 0, 0, "ok", told))
    return np.concatenate(rows)


def within(case: Case, codes: Codes) -> Doubles:
    """Return the limits' measure of the first 1, 2, ... of some architectures, in percent."""
    truth, cost = case.truth(codes), case.load(codes)
    whole, costs = case.truth(case.sample), case.load(case.sample)
    total = np.zeros(len(codes))
    for limit in limits_of(case):
        inside = whole[costs <= limit]
        middle, top = np.median(inside), inside.max()
        best = np.maximum.accumulate(np.where(cost <= limit, truth, -np.inf))
        total += np.clip((best - middle) / max(top - middle, 1e-12), 0, 1)
    return 100 * total / LIMITS


def measure(arguments: argparse.Namespace) -> None:
    """Measure what the file lacks."""
    path: Path = arguments.file
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(line["case"], line["aim"], line["seed"]) for line in lines}
    cases: list[Case] = []
    if arguments.macro is not None:
        cases.append(macro_case(arguments.macro))
    if arguments.nb201 is not None:
        cases += [c for c in nb201_cases(arguments.nb201, arguments.latencies) if c.aim == "front"]
    cases += made_cases(arguments.made)
    for seed in range(arguments.seeds):
        for case in cases:
            if arguments.cases and case.name not in arguments.cases:
                continue
            for aim in AIMS:
                if (case.name, aim, seed) in done:
                    continue
                began = time.process_time()
                codes = search(case, aim, seed)
                curves = (case.curve(codes, log=True), case.curve(codes), within(case, codes))
                values = [[round(float(curve[k - 1]), 3) for k in MARKS] for curve in curves]
                line = {"case": case.name, "aim": aim, "seed": seed, "values": values}
                line["seconds"] = round(time.process_time() - began, 2)
                with path.open("a") as file:
                    file.write(json.dumps(line) + "\n")


def show(path: Path) -> None:
    """Print the file as a table in Markdown: means over the seeds, and the gain on ``front``."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kinds = [f"{kind} at {k}" for kind in ("log HV", "plain HV", "limits") for k in MARKS]
    print("| case | aim | seeds |", " | ".join(kinds), "|")
    print("|---" * (len(kinds) + 3) + "|")
    for case in dict.fromkeys(line["case"] for line in lines):
        rows = {
            aim: {
                line["seed"]: np.ravel(line["values"])
                for line in lines
                if (line["case"], line["aim"]) == (case, aim)
            }
            for aim in AIMS
        }
        for aim, row in rows.items():
            seeds = sorted(set(row) & set(rows["front"]))
            if not seeds:
                continue
            values = np.array([row[s] for s in seeds])
            cells = [f"{v:.1f}" for v in values.mean(axis=0)]
            if aim != "front" and len(seeds) > 1:
                gain = values - np.array([rows["front"][s] for s in seeds])
                error = gain.std(axis=0, ddof=1) / np.sqrt(len(seeds))
                told = zip(cells, gain.mean(axis=0), error, strict=True)
                cells = [f"{cell} ({g:+.1f} ± {e:.1f})" for cell, g, e in told]
            print(f"| {case} | {aim} | {len(seeds)} |", " | ".join(cells), "|")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--macro", type=Path)
    parser.add_argument("--nb201", type=Path)
    parser.add_argument("--latencies", type=Path)
    parser.add_argument("--made", type=int, nargs="*", default=[])
    parser.add_argument("--cases", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    measure(arguments)
    show(arguments.file)


if __name__ == "__main__":
    main()
