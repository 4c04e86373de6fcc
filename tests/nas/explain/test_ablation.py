"""The ablation job: one backbone, every attention of the zoo, and the table that comes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plugnas import modules, nas
from plugnas.nas.cost import NetworkCost
from plugnas.nas.explain.report import explain_run
from plugnas.nas.job.config import load
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.data import gather
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView
from tests.nas.report.synthetic_run import make_run

JOB = Path(nas.__file__).parent.parent / "experiments" / "ablation_attention.yaml"
SPACE = {
    "stem": {"width": 8},
    "stages": [{"width": 8, "depth": 2}],
    "slots": {"attention": {"choices": ["none", "se", "eca", "simam"], "scope": "network"}},
}
GAINS = {"none": 0.0, "se": 0.03, "eca": 0.0, "simam": -0.03}


def test_the_job_asks_for_every_attention_three_times():
    job = load(JOB)
    assert job.seeds == 3
    assert job.sampler_config.name == "grid"
    run = RunDirectory(Path("nowhere"), job, _facts())
    varied = [p for p in run.space().parameters if len(p.choices) > 1]
    assert [p.name for p in varied] == ["attention"]
    zoo = {e.key for e in modules.entries() if e.slot == "attention" and e.family != "control"}
    assert zoo <= set(varied[0].choices)
    assert run.space().size < job.trials


def _facts():
    from plugnas.nas.run.directory import Facts

    return Facts(
        base=".", input_shape=(1, 8, 8), classes=[str(i) for i in range(10)], mean=[0.3],
        std=[0.3], data="0", device="cpu",
    )  # fmt: skip


@pytest.fixture
def view(tmp_path):
    run = make_run(tmp_path / "run", trials=1, space=SPACE, budget={})
    space = run.space()
    cost = NetworkCost(space)
    run.ledger.unlink()
    rng = np.random.default_rng(0)
    with Ledger.open(run.ledger, space, cost=cost) as ledger:
        for number, (choice, gain) in enumerate(GAINS.items()):
            architecture = space.architecture({**_fixed(space), "attention": choice})
            for seed in range(3):
                values = {"accuracy": 0.9 + gain + 0.002 * float(rng.normal())}
                costs = cost.cost(architecture)
                ledger.append(Measurement(number, architecture, 0, seed, "ok", values, costs))
    return RunView.open(RunDirectory.read(run.path))


def _fixed(space):
    return {p.name: p.choices[0] for p in space.parameters if len(p.choices) == 1}


def test_the_table(view):
    found = explain_run(view)
    assert found.model is None
    assert "one slot alone" in found.reason
    (table,) = found.pairs
    assert [c.choice for c in table] == ["se", "eca", "simam", "none"]
    verdicts = {c.choice: c.verdict for c in table}
    assert verdicts["se"] == "pays"
    assert verdicts["simam"] == "does not pay"
    assert verdicts["none"] == "the reference"
    for c in table[:-1]:
        assert (c.pairs, c.backbones) == (3, 1)
        assert c.low <= GAINS[c.choice] <= c.high
    se = table[0]
    assert se.added["params"] > 0
    assert se.costs["params"] > table[-1].costs["params"]
    text = found.to_text()
    assert "params" in text
    assert "flops" in text
    assert gather(view)["modules"]["pairs"][0]["choice"] == "se"
