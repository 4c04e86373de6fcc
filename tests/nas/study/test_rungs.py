"""Promotions by hand, by replay, and with what goes wrong at a rung."""

from __future__ import annotations

import pytest

from plugnas.nas.cost import FunctionCost
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers import Problem, create
from plugnas.nas.study.rungs import RungError, Rungs
from plugnas.nas.study.study import Study
from plugnas.space import SearchSpace

SPACE = SearchSpace({"size": list(range(1, 28))})
PROBLEM = Problem(
    SPACE,
    {"accuracy": "max", "flops": "min"},
    cost=FunctionCost(lambda a: {"flops": float(a["size"])}, ["flops"], SPACE),
)
ALONE = Problem(SPACE)


def told(size, accuracy, rung=0, signal=None, status="ok", seed=0):
    architecture = SPACE.architecture({"size": size})
    values = {"accuracy": accuracy} if accuracy is not None else {}
    return Measurement(size, architecture, rung, seed, status, values, signal=signal)


def size_of(promotion):
    return None if promotion is None else (promotion[0]["size"], promotion[1])


def test_waits_until_a_rung_has_enough():
    rungs = Rungs(ALONE, 2, eta=3)
    measured = [told(1, 0.5), told(2, 0.7)]
    assert rungs.next(measured) is None
    measured.append(told(3, 0.6))
    assert size_of(rungs.next(measured)) == (2, 1)


def test_a_promotion_in_progress_is_not_repeated():
    rungs = Rungs(ALONE, 2, eta=3)
    measured = [told(1, 0.5), told(2, 0.7), told(3, 0.6)]
    running = [Task(2, SPACE.architecture({"size": 2}), 1)]
    assert rungs.next(measured, running) is None
    assert rungs.next([*measured, told(2, 0.8, rung=1)]) is None


def test_higher_rungs_come_first():
    rungs = Rungs(ALONE, 3, eta=2)
    measured = [told(n, n / 10) for n in range(1, 9)]
    measured += [told(n, n / 10, rung=1) for n in (8, 7)]
    assert size_of(rungs.next(measured)) == (8, 2)


def test_ladder_of_27_keeps_9_3_1_in_order():
    rungs = Rungs(ALONE, 4, eta=3)
    measured = [told(n, n / 100) for n in range(1, 28)]
    while (due := rungs.next(measured)) is not None:
        architecture, rung = due
        measured.append(told(architecture["size"], architecture["size"] / 100, rung))
    reached = [sorted(m.architecture["size"] for m in measured if m.rung == r) for r in (1, 2, 3)]
    assert reached == [list(range(19, 28)), [25, 26, 27], [27]]


def test_non_dominated_first_then_spread():
    # front: 1 (cheap, poor), 5, 6, 20 (dear, good); 6 crowds 5, the extremes are rarest
    measured = [told(1, 0.1), told(5, 0.5), told(6, 0.51), told(20, 0.9), told(21, 0.2)]
    measured += [told(n, 0.0) for n in (22, 23, 24, 25)]
    order = Rungs(PROBLEM, 2, eta=3).order({m.architecture.id: [m] for m in measured})
    sizes = [
        next(m for m in measured if m.architecture.id == i).architecture["size"] for i in order
    ]
    assert sizes[:2] == [20, 1] and set(sizes[2:4]) == {5, 6} and sizes[4] == 21


def test_signal_ranks_within_a_rung_where_all_carry_one():
    rungs = Rungs(ALONE, 2, eta=3)
    measured = [told(1, 0.9, signal=-9.0), told(2, 0.1, signal=-1.0), told(3, 0.5, signal=-5.0)]
    assert size_of(rungs.next(measured)) == (2, 1)
    measured[0] = told(1, 0.9)  # one without: signals and accuracies do not mix
    assert size_of(rungs.next(measured)) == (1, 1)


def test_zero_cost_scores_need_no_accuracy():
    rungs = Rungs(ALONE, 2, eta=3)
    measured = [told(n, None, signal=float(-n)) for n in (3, 1, 2)]
    assert size_of(rungs.next(measured)) == (1, 1)


def test_failures_stay_where_they_failed():
    rungs = Rungs(ALONE, 2, eta=3)
    measured = [told(1, 0.5), told(2, None, status="failed"), told(3, float("nan"))]
    assert size_of(rungs.next(measured)) == (1, 1)
    failed = [told(n, None, status="failed") for n in (1, 2, 3)]
    assert rungs.next(failed) is None


def test_seeds_are_averaged():
    rungs = Rungs(ALONE, 2, eta=3)
    measured = [told(1, 0.9), told(1, 0.1, seed=1), told(2, 0.6), told(2, 0.6, seed=1)]
    assert size_of(rungs.next([*measured, told(3, 0.2)])) == (2, 1)


def test_one_rung_promotes_nothing():
    assert Rungs(ALONE, 1).next([told(n, 0.5) for n in range(1, 9)]) is None


def test_impossible_ladders():
    with pytest.raises(RungError, match="at least one rung, not 0"):
        Rungs(ALONE, 0)
    with pytest.raises(RungError, match="above 1"):
        Rungs(ALONE, 2, eta=1)


def test_a_search_whose_first_rung_only_scores():
    def evaluate(task):
        size = task.architecture["size"]
        if task.rung == 0:
            return {"values": {"synflow": float(size)}, "signal": float(size)}
        return {"values": {"accuracy": size / 30}}

    study = Study(
        PROBLEM,
        create("predictor", PROBLEM),
        trials=18,
        rungs=Rungs(PROBLEM, 2, promotion="promise", trials=18),
    )
    while (task := study.ask()) is not None:
        result = evaluate(task)
        study.tell(
            Measurement(task.number, task.architecture, task.rung, task.seed, "ok", **result)
        )
    assert sum(m.rung == 0 for m in study.measurements) == 18
    assert all("accuracy" in m.values for m in study.measurements if m.rung == 1)
    assert sum(m.rung == 1 for m in study.measurements) >= 18 // 3


def misled(study_sampler=None):
    """Rung 0 flatters what ends worst: deep ones learn late. Both last ranks are known of some."""
    space = SearchSpace({"kind": ["early", "late"], "size": list(range(14))})
    cost = FunctionCost(lambda a: {"flops": 1.0 + a["size"]}, ["flops"], space)
    problem = Problem(space, {"accuracy": "max", "flops": "min"}, cost=cost)
    sampler = create("predictor", problem) if study_sampler else None
    measured = []
    for size in range(12):
        for kind in ("early", "late"):
            a = space.architecture({"kind": kind, "size": size})
            number, early = len(measured), kind == "early"
            values = {"accuracy": 0.1 + 0.01 * size + 0.05 * early}
            measured.append(Measurement(number, a, 0, 0, "ok", values))
    for m in measured[:16]:  # sizes 0 to 7 in full: there the late ones are ahead
        a = m.architecture
        values = {"accuracy": 0.5 + 0.02 * a["size"] - 0.1 * (a["kind"] == "early")}
        measured.append(Measurement(m.number, a, 1, 0, "ok", values))
    if sampler is not None:
        for m in measured:
            sampler.tell(m)
    return Rungs(problem, 2, eta=1.2, promotion="promise", sampler=sampler), measured


def test_the_model_corrects_what_a_lower_rung_says_of_a_family():
    rungs, measured = misled()
    ranked = rungs.order({m.architecture.id: [m] for m in measured if m.rung == 0})
    first = next(m.architecture for m in measured if m.architecture.id == ranked[0])
    assert first["kind"] == "early"
    architecture, rung = rungs.next(measured)
    assert (architecture["kind"], rung) == ("late", 1)


def test_rank_keeps_to_what_the_rung_itself_says():
    rungs, measured = misled()
    rungs.promotion = "rank"
    rungs.eta = 2
    done = {m.architecture.id for m in measured if m.rung == 1}
    ranked = rungs.order({m.architecture.id: [m] for m in measured if m.rung == 0})[:12]
    due = rungs.next(measured)
    assert due is None or due[0].id == next(k for k in ranked if k not in done)
    assert (due is None) == (set(ranked) <= done)


def test_a_predictor_of_the_study_serves_as_the_model():
    own, measured = misled()
    shared, same = misled("predictor")
    assert shared.next(same)[0].id == own.next(measured)[0].id
    assert shared._own is None


def test_measurements_that_are_no_continuation_are_learnt_anew():
    rungs, measured = misled()
    first = rungs.next(measured)
    assert rungs.next(measured[2:]) is not None
    assert rungs.next(measured) == first


def test_once_nothing_more_may_begin_only_one_of_eta_goes_on():
    rungs, measured = misled()
    rungs.eta = 100  # too few are trained for a promotion
    assert rungs.next(measured) is not None  # the rest of the front is worth more than the unseen
    rungs.trials = 24
    assert rungs.next(measured) is None


def test_promotions_in_progress_take_their_place():
    rungs, measured = misled()
    first, _ = rungs.next(measured)
    second, _ = rungs.next(measured, [Task(0, first, 1)])
    assert first.id != second.id


@pytest.mark.parametrize("promotion", ["rank", "promise"])
@pytest.mark.parametrize("name", ["predictor", "random"])
def test_a_search_with_rungs_resumes_as_if_undisturbed(tmp_path, name, promotion):
    """What promotes depends on what is recorded and on nothing else."""

    def evaluate(task):
        size = task.architecture["size"]
        accuracy = 0.5 + 0.4 * (1 - (1 - size / 27) ** 3) + 0.05 * (size % 3)
        return {"accuracy": accuracy - 0.1 * (task.rung == 0) * (size % 2)}

    def begin(path):
        sampler = create(name, PROBLEM)
        rungs = Rungs(PROBLEM, 2, promotion=promotion, sampler=sampler, trials=20)
        return Study(PROBLEM, sampler, Ledger.open(path, SPACE), trials=20, rungs=rungs)

    def run(study, steps):
        keys = []
        while len(keys) < steps and (task := study.ask()) is not None:
            keys.append(task.key)
            told = Measurement(task.number, task.architecture, task.rung, 0, "ok", evaluate(task))
            study.tell(told)
        return keys

    whole = run(begin(tmp_path / "whole.jsonl"), 99)
    parts = run(begin(tmp_path / "parts.jsonl"), 16)
    parts += run(begin(tmp_path / "parts.jsonl"), 99)
    assert parts == whole and len(whole) > 20
