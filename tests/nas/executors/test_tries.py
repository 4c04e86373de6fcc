"""Who is to blame for an evaluation on a cluster that gave no answer: no Ray needed."""

from __future__ import annotations

import pytest

from plugnas.nas.executors import tries
from plugnas.nas.executors.deaths import Death, death_of, reason_of, start_fault
from plugnas.nas.executors.tries import PATIENCE, Tries
from plugnas.nas.ledger.measurement import Task
from tests.nas.runs import study


class RayTaskError(Exception):
    """Named as Ray's own."""


class ActorUnavailableError(Exception):
    """Named as Ray's own."""


class ActorDiedError(Exception):
    """Named as Ray's own."""


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "FIRST_PAUSE", 0.0)


def task() -> Task:
    asked = study(trials=1).ask()
    assert asked is not None
    return asked


def die(queue: Tries, *deaths: Death, alive: tuple[str, ...] = ("home",)) -> int:
    """Let the first pending die again and again; return how often it was begun."""
    for begun, death in enumerate(deaths):
        pending = queue.take(alive)
        if pending is None:
            return begun
        queue.fail(pending, death)
    return len(deaths) + (queue.take(alive) is not None)


OWN = Death("killed: by itself", node="home", seconds=3.0)
LOST = Death("killed: its node has died", node="away")
NOT_BEGUN = Death("killed: before it began")


def test_own_deaths_use_up_the_tries() -> None:
    queue = Tries(max_failures=2)
    queue.add(task())
    assert die(queue, *[OWN] * 9) == 3
    (measurement,) = queue.given_up()
    assert (measurement.reason, measurement.extra["tries"]) == ("killed: by itself", 3)
    assert measurement.seconds == 3.0
    assert queue.given_up() == []


def test_lost_nodes_and_false_starts_do_not() -> None:
    queue = Tries(max_failures=0)
    queue.add(task())
    assert die(queue, *[LOST, NOT_BEGUN] * 3) == 7
    assert not queue.given_up()


def test_a_death_is_judged_by_what_is_known_when_it_matters() -> None:
    """The actor was reported dead first, its node a moment later."""
    queue = Tries(max_failures=0)
    queue.add(task())
    pending = queue.take(())
    assert pending is not None
    queue.fail(pending, OWN)
    assert queue.take(("another",)) is pending
    queue.fail(pending, OWN)
    assert queue.take(("home",)) is None
    assert len(queue.given_up()) == 1


def test_what_raised_counts_whatever_became_of_its_node() -> None:
    queue = Tries(max_failures=1)
    queue.add(task())
    assert die(queue, *[Death("out of memory: no room", "away", raised=True)] * 9) == 2


def test_a_task_that_is_always_lost_is_given_up() -> None:
    queue = Tries(max_failures=2)
    queue.add(task())
    assert die(queue, *[LOST] * 99) == PATIENCE
    assert queue.given_up()[0].extra["tries"] == 1


def test_a_pause_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "FIRST_PAUSE", 600.0)
    queue = Tries(max_failures=2)
    queue.add(task())
    queue.add(task())
    first = queue.take(())
    assert first is not None
    queue.fail(first, LOST)
    assert queue.due() == 1
    assert queue.take(()) is not None
    assert queue.take(()) is None
    assert 0 < queue.until_due() <= 30.0


DIED = """The actor died unexpectedly before finishing this task.
\tclass_name: Evaluation
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR
"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ActorDiedError(DIED), "killed: The actor is dead because its worker process has died."),
        (
            RayTaskError("Traceback\n ...\nRuntimeError: out of memory: no room"),
            "out of memory: no",
        ),
        ("1 worker(s) were killed due to the node running low on memory", "out of memory: Ray kil"),
        ("", "killed: no error was told"),
    ],
)
def test_reasons(error: object, reason: str) -> None:
    assert reason_of(error).startswith(reason)


def test_deaths() -> None:
    hung = death_of(ActorDiedError(DIED), "home", 2.0, 1.0)
    assert hung == Death("hung: no result within 1 s", "home", seconds=2.0)
    assert death_of(RayTaskError("x"), "home", 2.0, 1.0) == Death("killed: x", "home", True, 2.0)
    assert death_of(ActorUnavailableError("x"), "home", 0.5, 1.0).node is None
    assert not death_of(RayTaskError("in the making of the actor"), None, 0.0, None).raised


def test_workers_that_cannot_start() -> None:
    error = "Traceback\n  ...\nModuleNotFoundError: No module named 'my_blocks.conv'\n"
    assert start_fault(error) == "it has no `my_blocks`: install there what is installed here"
    assert start_fault(ActorDiedError(DIED)).startswith("its worker died (The actor is dead beca")
