"""Ask and tell: numbering, retries, replay, and no work done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plugnas.nas.cost import FunctionCost
from plugnas.nas.executors import SerialExecutor
from plugnas.nas.executors.measure import measure
from plugnas.nas.ledger.ledger import Ledger, LedgerWarning
from plugnas.nas.ledger.measurement import Measurement, Task, failed
from plugnas.nas.samplers import create
from plugnas.nas.study.drive import drive
from plugnas.nas.study.fixed import FixedList
from plugnas.nas.study.promoter import Promoter
from plugnas.nas.study.study import Study, StudyError
from plugnas.space import Architecture, SearchSpace
from tests.nas.runs import SPACE, CountCost, Draws, Table, accuracy, found, problem, study


def done(task: Task) -> Measurement:
    return measure(task, Table().evaluate)


def ask(run: Study) -> Task:
    task = run.ask()
    assert task is not None
    return task


def test_numbers_count_and_costs_are_exact() -> None:
    run = study(trials=3)
    drive(run, SerialExecutor(Table()))
    assert [m.number for m in run.measurements] == [0, 1, 2]
    assert run.done and run.started == run.finished == 3
    for m in run.measurements:
        assert m.values == {"accuracy": accuracy(m.architecture)}
        assert m.costs == {"params": 100.0 * sum(v != "id" for v in m.architecture.values.values())}
        assert m.worker.startswith("serial ")


def test_nothing_to_hand_out_is_not_done_while_something_runs() -> None:
    run = study(trials=1)
    task = ask(run)
    assert run.ask() is None
    assert not run.done
    assert (run.started, run.finished) == (1, 0)
    run.tell(done(task))
    assert run.ask() is None
    assert run.done


def test_told_what_was_not_asked() -> None:
    run = study(trials=2)
    task = ask(run)
    run.tell(done(task))
    with pytest.raises(StudyError, match="task 0 .* is not running"):
        run.tell(done(task))


def test_bad_arguments() -> None:
    with pytest.raises(StudyError, match="trials=0"):
        study(trials=0)
    with pytest.raises(StudyError, match="seed"):
        study(trials=1, seeds=())


def test_sampler_that_repeats_itself_is_stopped() -> None:
    class Same(Draws):
        def ask(self, number: int) -> Architecture:
            self.seen.clear()
            return super().ask(0)

    asked = problem()
    run = Study(asked, Same(asked), trials=3)
    run.tell(done(ask(run)))
    with pytest.raises(StudyError, match="never proposed before, but Same proposed"):
        run.ask()


def test_exhausted_space_ends_the_study() -> None:
    space = SearchSpace({"a": ["x", "y", "z"]})
    run = study(trials=50, space=space)
    assert drive(run, SerialExecutor(Table())).reason == "exhausted"
    assert len(run.measurements) == 3


def test_three_strikes_then_never_again() -> None:
    run = study(trials=2)
    first = ask(run)
    for attempt in range(3):
        run.tell(failed(replace(first, attempt=attempt), "killed: by a test"))
        task = ask(run)
        assert (task.number, task.attempt) == ((0, attempt + 1) if attempt < 2 else (1, 0))
    assert run.finished == 1
    run.tell(done(task))
    assert run.ask() is None
    assert run.done
    assert [(m.number, m.attempt) for m in run.measurements] == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_divergence_is_a_result() -> None:
    architecture = ask(study()).architecture
    run = study(trials=2)
    drive(run, SerialExecutor(Table(faults={architecture.id: "nan"})))
    first = run.measurements[0]
    assert (first.status, first.reason) == ("failed", "diverged: accuracy is nan")
    assert [m.number for m in run.measurements] == [0, 1]


def test_missing_objective_ends_the_search_and_is_named() -> None:
    run = study(trials=1)
    with pytest.raises(StudyError, match="`accuracy` is neither: it returned acuracy; did you m"):
        drive(run, SerialExecutor(lambda: lambda task: {"values": {"acuracy": 1.0}}))


def test_infinite_cost_is_a_divergence() -> None:
    run = study(trials=1)
    run.problem.cost.each = float("inf")  # type: ignore[union-attr]
    run.tell(done(ask(run)))
    assert run.measurements[0].reason == "diverged: params is inf"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (0.5, "raised: an evaluator returns a mapping with `values`, not 0.5"),
        ({"accuracy": 0.5}, "raised: an evaluator returns a mapping with `values`"),
        ({"values": {}}, "raised: an evaluator returns at least one value"),
        ({"values": {"accuracy": "high"}}, "raised: the value of accuracy must be a number"),
        ({"values": {"accuracy": float("inf")}}, "diverged: accuracy is inf"),
    ],
)
def test_results_that_are_none(result: object, reason: str) -> None:
    measurement = measure(ask(study()), lambda task: result)  # type: ignore[arg-type,return-value]
    assert not measurement.ok
    assert (measurement.reason or "").startswith(reason)


def test_what_raises_is_named_with_its_place() -> None:
    first = ask(study())
    measurement = measure(first, Table(faults={first.architecture.id: "raise"}).evaluate)
    assert "raised: ValueError: a module that raises" in (measurement.reason or "")
    assert "runs.py:" in (measurement.reason or "")
    assert "misbehave" in measurement.extra["traceback"]


def test_search_in_which_nothing_works_is_given_up() -> None:
    def broken(task: Task) -> dict[str, object]:
        raise OSError("no such device")

    run = study(trials=100)
    with pytest.raises(StudyError, match=r"all of the first 10 architectures failed: .*no such de"):
        drive(run, SerialExecutor(lambda: broken))
    assert len(run.measurements) == 30 - 2


def test_continued_run_equals_an_undisturbed_one(tmp_path: Path) -> None:
    whole = study(trials=30)
    drive(whole, SerialExecutor(Table()))
    for trials in (7, 8, 30):
        run = study(tmp_path / "ledger.jsonl", trials=trials)
        drive(run, SerialExecutor(Table()))
    assert found(run.measurements) == found(whole.measurements)
    again = study(tmp_path / "ledger.jsonl", trials=30)
    assert again.ask() is None
    assert again.done


def test_half_done_tasks_are_the_same_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=12)
    tasks = [ask(run) for _ in range(8)]
    for number in (5, 2, 7):
        run.tell(done(tasks[number]))
    again = study(path, trials=12)
    resumed = [ask(again) for _ in range(9)]
    assert [t.number for t in resumed] == [0, 1, 3, 4, 6, 8, 9, 10, 11]
    assert resumed[:5] == [tasks[n] for n in (0, 1, 3, 4, 6)]
    assert again.ask() is None


def test_unsettled_failures_are_retried_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=3)
    run.tell(failed(ask(run), "killed: by a test"))
    run.tell(failed(ask(run), "killed: by a test"))
    again = study(path, trials=3)
    task = ask(again)
    assert (task.number, task.attempt) == (0, 2)
    again.tell(failed(task, "killed: by a test"))
    assert ask(again).number == 1
    final = study(path, trials=3)
    assert ask(final).number == 1


def test_numbers_of_what_no_longer_fits_are_not_reused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=12)
    drive(run, SerialExecutor(Table()))
    choices = {p.name: [c for c in p.choices if c != "mb6"] for p in SPACE.parameters}
    with pytest.warns(LedgerWarning, match="do not fit"):
        again = study(path, trials=12, space=SearchSpace(choices))
    kept = len(again.measurements)
    assert 0 < kept < 12
    drive(again, SerialExecutor(Table()))
    new = [m.number for m in again.measurements[kept:]]
    assert new == list(range(12, 12 + 12 - kept))


def test_every_seed_is_measured_under_one_number(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=3, seeds=(0, 1))
    for _ in range(3):
        run.tell(done(ask(run)))
    again = study(path, trials=3, seeds=(0, 1))
    drive(again, SerialExecutor(Table()))
    places = [(m.number, m.seed) for m in again.measurements]
    assert places == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


class BestOfTwo(Promoter):
    """Promotes to rung 1 the better of each two that rung 0 has measured."""

    count = 2

    def next(
        self, measurements: Sequence[Measurement], running: Iterable[Task]
    ) -> tuple[Architecture, int] | None:
        low = [m for m in measurements if m.rung == 0]
        begun = {m.architecture for m in measurements if m.rung == 1}
        begun |= {task.architecture for task in running if task.rung == 1}
        pairs = zip(low[::2], low[1::2], strict=False)
        better = [max(pair, key=lambda m: m.values["accuracy"]) for pair in pairs]
        return next(((m.architecture, 1) for m in better if m.architecture not in begun), None)


def test_promotions_keep_the_number_and_come_before_new_trials(tmp_path: Path) -> None:
    run = study(tmp_path / "ledger.jsonl", trials=6, rungs=BestOfTwo())
    drive(run, SerialExecutor(Table()))
    rungs = [m.rung for m in run.measurements]
    assert rungs == [0, 0, 1, 0, 0, 1, 0, 0, 1]
    pairs = {(m.number, m.architecture.id) for m in run.measurements}
    assert len(pairs) == 6
    again = study(tmp_path / "ledger.jsonl", trials=8, rungs=BestOfTwo())
    drive(again, SerialExecutor(Table()))
    assert [m.rung for m in again.measurements] == [*rungs, 0, 0, 1]


def test_without_ledger_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drive(study(trials=3), SerialExecutor(Table()))
    assert list(tmp_path.iterdir()) == []


def test_a_measurement_that_cannot_be_recorded_is_not_learnt(tmp_path: Path) -> None:
    run = study(tmp_path / "ledger.jsonl", trials=3)
    task = ask(run)
    assert isinstance(run._ledger, Ledger)
    run._ledger.close()
    with pytest.raises(Exception, match="closed"):
        run.tell(done(task))
    assert run.measurements == []
    assert task in run.running.values()


@pytest.mark.parametrize("budget", [{}, {"params": 400.0}])
@pytest.mark.parametrize("layers", [4, 12])
def test_random_sampler_resumes_with_the_same_architectures(
    tmp_path: Path, layers: int, budget: dict[str, float]
) -> None:
    """The project's own sampler, in a space that it lists and in one that it cannot list."""
    space = SearchSpace({f"layer{i}": ["id", "conv", "mb3", "mb6"] for i in range(layers)})
    cost = FunctionCost(CountCost().cost, ["params"], space)
    asked = replace(problem(space, cost=cost), budget=budget)

    def begin() -> Study:
        ledger = Ledger.open(tmp_path / "ledger.jsonl", space)
        return Study(asked, create("random", asked), ledger, trials=30)

    run = begin()
    tasks = [ask(run) for _ in range(20)]
    for number in (14, 3, 9, 17, 8):
        run.tell(done(tasks[number]))
    again = begin()
    resumed = [ask(again) for _ in range(25)]
    assert resumed[:13] == [t for t in tasks[:18] if t.number not in (14, 3, 9, 17, 8)]
    assert [t.architecture.id for t in resumed[13:15]] == [t.architecture.id for t in tasks[18:]]
    drawn = {t.architecture.id for t in resumed}
    whole = Study(asked, create("random", asked), trials=30)
    everything = {ask(whole).architecture.id for _ in range(30)}
    assert drawn | {tasks[n].architecture.id for n in (14, 3, 9, 17, 8)} == everything


@pytest.mark.parametrize("name", ["predictor", "evolution", "random", "tpe", "nsga2"])
def test_half_done_work_is_run_again_whatever_the_sampler_would_say_now(
    tmp_path: Path, name: str
) -> None:
    """Four workers: what a later measurement taught changes no task that was already handed out."""
    space = SearchSpace({f"layer{i}": ["id", "conv", "mb3", "mb6"] for i in range(6)})
    cost = FunctionCost(CountCost().cost, ["params"], space)
    asked = replace(problem(space, cost=cost), budget={"params": 500.0})

    def begin() -> Study:
        ledger = Ledger.open(tmp_path / "ledger.jsonl", space)
        return Study(asked, create(name, asked), ledger, trials=30)

    run = begin()
    tasks = [ask(run) for _ in range(4)]
    for _ in range(14):
        run.tell(done(tasks.pop(1)))
        tasks.append(ask(run))
    again = begin()
    resumed = [ask(again) for _ in range(6)]
    assert resumed[:4] == tasks
    assert [t.number for t in resumed[4:]] == [18, 19]
    for task in resumed:
        again.tell(done(task))
    drive(again, SerialExecutor(Table()))
    assert sorted(m.number for m in again.measurements) == list(range(30))
    assert len({m.architecture.id for m in again.measurements}) == 30
    assert not (tmp_path / "ledger.running.json").exists()


class Ladder(BestOfTwo):
    """BestOfTwo as a promoter that says how many rungs there are."""

    count = 2


def test_half_done_promotion_is_run_again(tmp_path: Path) -> None:
    run = study(tmp_path / "ledger.jsonl", trials=6, rungs=Ladder(), seeds=(0, 1))
    for _ in range(2):
        run.tell(done(ask(run)))
    promoted = ask(run)
    assert promoted.rung == 1
    again = study(tmp_path / "ledger.jsonl", trials=6, rungs=Ladder(), seeds=(0, 1))
    assert [ask(again), ask(again)] == [promoted, replace(promoted, seed=1)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-9]),
        lambda file: file.write_text("[]"),
        lambda file: file.write_text('{"running": 99, "tasks": []}'),
        lambda file: file.write_text(file.read_text().replace('"conv"', "[3]")),
        lambda file: file.write_text(file.read_text().replace('"mb3"', '"mb9"')),
    ],
)
def test_without_the_note_of_what_ran_the_numbers_are_asked_again(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=12)
    tasks = [ask(run) for _ in range(8)]
    run.tell(done(tasks[7]))
    damage(tmp_path / "ledger.running.json")
    again = study(path, trials=12)
    resumed = [ask(again) for _ in range(11)]
    assert sorted(t.number for t in resumed) == [*range(7), *range(8, 12)]
    assert all(t in resumed for t in tasks[:7])  # the tests' sampler draws by number alone


def test_a_note_that_contradicts_ledger_budget_or_trials_is_not_followed(tmp_path: Path) -> None:
    path, note = tmp_path / "ledger.jsonl", tmp_path / "ledger.running.json"
    run = study(path, trials=12)
    tasks = [ask(run) for _ in range(6)]
    stale = note.read_text()
    for number in (0, 1, 2):
        run.tell(done(tasks[number]))
    note.write_text(stale.replace('"number": 3', '"number": 2'))  # 2 is another's
    again = study(path, trials=12)
    assert [ask(again).number for _ in range(3)] == [4, 5, 3]
    note.write_text(stale)
    fewer = study(path, trials=4)
    assert [ask(fewer), fewer.ask()] == [tasks[3], None]
    note.write_text(stale)
    poor = replace(problem(), budget={"params": 200.0})
    ledger = Ledger.open(path, SPACE)
    costly = [t for t in tasks[3:] if CountCost().cost(t.architecture)["params"] > 200]
    assert costly
    thrifty = Study(poor, Draws(poor), ledger, trials=12)
    assert not {t.architecture.id for t in costly} & set(thrifty._numbers)


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "ledger.running.json").mkdir()
    run = study(tmp_path / "ledger.jsonl", trials=3)
    drive(run, SerialExecutor(Table()))
    assert len(run.measurements) == 3


def test_half_done_work_on_a_list_that_has_changed_since(tmp_path: Path) -> None:
    """What is no longer listed is not run again, and takes nobody's place."""
    members = [SPACE.sample(np.random.default_rng(n)) for n in range(6)]
    first = problem()
    ledger = Ledger.open(tmp_path / "ledger.jsonl", SPACE)
    run = Study(first, FixedList(members[:3]), ledger, trials=3)
    begun = [ask(run) for _ in range(3)]
    again = Study(
        first, FixedList(members[1:6]), Ledger.open(tmp_path / "ledger.jsonl", SPACE), trials=5
    )
    drive(again, SerialExecutor(Table()))
    assert {m.architecture for m in again.measurements} == set(members[1:6])
    assert {m.number for m in again.measurements[:2]} == {begun[1].number, begun[2].number}
