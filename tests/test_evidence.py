"""The table of modules (experiments/evidence.py): its design, its model, what its page says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from plugnas.space import SearchSpace

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    yield
    for name in [n for n in sys.modules if n == "evidence" or n.startswith("evidence_")]:
        del sys.modules[name]


def _runs(effects, n=40, noise=0.1, seed=0):
    """Four data sets on which the modules of one slot have the given effects, in log odds."""
    from evidence_model import Run

    rng, names, runs = np.random.default_rng(seed), list(effects), []
    for data_set, level in {"digits": 2.0, "cifar10": -0.5, "signs": 0.0, "steel": 1.0}.items():
        held = rng.integers(len(names) + 1, size=n)
        flops = 10 ** rng.uniform(6, 7, n)
        shares = {name: (held == k).astype(float) for k, name in enumerate(names)}
        odds = level + 0.4 * np.log(flops / 3e6) + rng.normal(0, noise, n)
        odds += sum(effects[name] * share for name, share in shares.items())
        accuracy = 1 / (1 + np.exp(-odds))
        runs.append(Run(f"backbone_{data_set}", data_set, accuracy, flops, {"attention": shares}))
    return runs


def test_every_choice_is_as_frequent_as_every_other_and_the_reference_more():
    from evidence import _begun_at, balanced

    space = SearchSpace.from_config(
        {
            "stem": {"width": [4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26]},
            "stages": [{"width": [4, 8]}],
            "slots": {"attention": {"choices": ["none", "se", "eca", "simam", "cbam"]}},
        },
        (1, 8, 8),
        3,
    )
    found = balanced(space, 12)
    assert balanced(space, 8) == found[:8]
    assert _begun_at(found, 1) == found[3:] + found[:3]
    held = [a["stage1.block1.attention"] for a in found]
    counts = [held.count(key) for key in ("se", "eca", "simam", "cbam")]
    assert counts == [2, 2, 2, 2]
    assert held.count("none") == 4  # twice as many: the root of four others
    widths = [a["stage1.width"] for a in found]
    assert widths.count(4) == widths.count(8) == 6


def test_planted_effects_are_found_with_their_sign_and_size_on_all_and_on_each_data_set():
    from evidence_model import fit

    planted = {"se": 0.8, "eca": 0.0, "gam": -0.8, "sge": 0.1}
    slot = fit(_runs(planted)).slots["attention"]
    for name, true in planted.items():
        found = slot.modules[name]
        assert found.effect == pytest.approx(true, abs=0.2)
        assert found.low < true < found.high
        assert [n for _, _, n in found.each.values()] == pytest.approx([8] * 4, abs=7)
        assert found.stands_out == (abs(true) > 0.5)
        for effect, error, _ in found.each.values():
            assert effect == pytest.approx(true, abs=0.2)
            assert error >= found.error / 2
    assert slot.spread == pytest.approx(0.65, abs=0.35)
    assert slot.between < 0.06


def test_data_sets_that_disagree_widen_the_interval():
    from evidence_model import fit

    agreed = _runs({"se": 0.5, "eca": -0.5})
    mixed = _runs({"se": 0.5, "eca": -0.5})[:2] + _runs({"se": -0.5, "eca": 0.5})[2:]
    sure, unsure = (fit(runs).slots["attention"].modules["se"] for runs in (agreed, mixed))
    assert unsure.error > 3 * sure.error
    assert sure.low > 0 > unsure.low
    assert unsure.each["digits"][0] > 0.3 > -0.3 > unsure.each["steel"][0]


def test_few_findings_where_accuracies_are_dealt_anew():
    from evidence_model import dealt, fit

    effects = {f"m{k}": 0.3 * (-1) ** k for k in range(12)}
    runs = _runs(effects, n=30, noise=0.4)
    wrong = [
        e.low > 0 or e.high < 0
        for seed in range(4)
        for e in fit(dealt(runs, seed)).slots["attention"].modules.values()
    ]
    assert np.mean(wrong) <= 0.1
    assert sorted(dealt(runs, 1)[0].accuracy) == sorted(runs[0].accuracy)


def test_effects_foretell_a_data_set_only_where_they_carry_over():
    from evidence_model import carried_over

    same = carried_over(_runs({"se": 0.8, "eca": -0.8}))
    assert set(same) == {"digits", "cifar10", "signs", "steel"}
    assert min(r for r, _ in same.values()) > 0.9
    assert {n for _, n in same.values()} == {40}
    turned = _runs({"se": 0.8, "eca": -0.8})[:3] + _runs({"se": -0.8, "eca": 0.8})[3:]
    assert carried_over(turned)["steel"][0] < -0.9


def test_holm_corrects_for_the_number_of_modules():
    from evidence_model import holm

    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )


def test_a_kept_run_is_read_again(tmp_path):
    from evidence_source import read

    file = tmp_path / "host_steel.csv"
    file.write_text(
        "accuracy,flops,params,processor_seconds,attention,operator,context\n"
        "0.50000,1000,10,1.50,se,keep,none\n"
        ",1000,10,0.50,eca,keep,none\n"
        "0.75000,3000,10,2.00,none,conv,none\n"
    )
    run, seconds, failed = read(file)
    assert (run.name, run.data_set, seconds, failed) == ("host_steel", "steel", 4.0, 1)
    assert run.flops is None  # nothing is held equal in a host
    assert run.response == pytest.approx([0.0, np.log(3)])
    told = {s: {m: list(v) for m, v in held.items()} for s, held in run.shares.items()}
    assert told == {"attention": {"se": [1, 0]}, "operator": {"conv": [0, 1]}, "context": {}}


def test_the_page_says_what_the_model_found():
    from evidence_model import Effect, Model, SlotEffects
    from evidence_page import Kind, effects, points, slot_text, summary

    assert points(0.0) == 0
    assert points(np.log(9 / 4)) == pytest.approx(10)  # from 80 to 90 %
    modules = {
        "se": Effect(0.5, 0.1, 7, {"digits": (0.5, 0.1, 7)}),
        "gam": Effect(-0.21, 0.1, 5, {"digits": (-0.2, 0.2, 3), "steel": (-0.3, 0.2, 2)}),
        "eca": Effect(0.01, 0.1, 5, {}),
        "placebo": Effect(-1.0, 0.1, 5, {}),
    }
    slot = SlotEffects(modules, (0.0, 0.1), 0.4, 0.3, 0.4)
    kind = Kind("backbone", [], Model({"attention": slot, "activation": slot}, {}))
    lines = slot_text("attention", [kind], {"se": (1.0, 1.25)}).splitlines()
    assert (
        lines[0]
        == "| module | backbone | trainings | digits | steel defects | FLOPs | parameters |"
    )
    assert lines[2] == "| `se` | **+6.8 [+4.4, +8.9]** | 7 | +6.8 |  | x 1.00 | x 1.25 |"
    assert lines[4].startswith("| `gam` | *-3.6 [-7.3, -0.2]* | 5 | -3.4 | -5.2 |")
    (row,) = summary([kind]).splitlines()[2:]
    assert row.startswith("| attention in a backbone, `none` | 3 of ")
    assert " | 1 | 1 | 1 | 0 | 0 | +0.0 [" in row
    told = effects([kind])
    assert set(told["kinds"]["backbone"]) == {"attention"}
    told = told["kinds"]["backbone"]["attention"]["modules"]["se"]
    assert told["each"] == {"digits": [0.5, 0.1]}
    assert told["expected_error"] == pytest.approx(np.hypot(0.1, 0.5), abs=1e-4)
