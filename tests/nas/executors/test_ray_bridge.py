"""Who is to blame for an evaluation on a cluster that gave no answer: no Ray needed."""

from __future__ import annotations

import pytest

from plugnas.nas.executors import bridge as bridges
from plugnas.nas.executors.bridge import FALSE_STARTS, PATIENCE, Bridge
from plugnas.nas.executors.deaths import Death, death_of, is_of_ray, reason_of
from plugnas.nas.ledger.measurement import Task
from tests.nas.runs import study


class RayTaskError(Exception):
    """Named as Ray's own."""


class ActorUnavailableError(Exception):
    """Named as Ray's own."""


class ActorDiedError(Exception):
    """Named as Ray's own."""


class RayError(Exception):
    """Named as Ray's own."""


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridges, "FIRST_PAUSE", 0.0)


def task() -> Task:
    asked = study(trials=1).ask()
    assert asked is not None
    return asked


def die(bridge: Bridge, *deaths: Death, alive: tuple[str, ...] = ("home",)) -> int:
    """Let the first pending die again and again; return how often it was begun."""
    for begun, death in enumerate(deaths):
        pending = bridge.take("trial", lambda: alive)
        if pending is None:
            return begun
        pending.actor = object()
        bridge.fail("trial", death)
    return len(deaths) + (bridge.take("trial", lambda: alive) is not None)


OWN = Death("killed: by itself", node="home", seconds=3.0)
LOST = Death("killed: its node has died", node="away")
NOT_BEGUN = Death("killed: before it began")


def test_own_deaths_use_up_the_tries() -> None:
    bridge = Bridge(max_failures=2)
    bridge.submit(task())
    assert die(bridge, *[OWN] * 9) == 3
    (measurement,) = bridge.results
    assert (measurement.reason, measurement.extra["tries"]) == ("killed: by itself", 3)
    assert measurement.seconds == 3.0


def test_lost_nodes_and_false_starts_do_not() -> None:
    bridge = Bridge(max_failures=0)
    bridge.submit(task())
    assert die(bridge, *[LOST, NOT_BEGUN] * 3) == 7
    assert not bridge.results


def test_a_death_is_judged_by_what_is_known_when_it_matters() -> None:
    """The actor was reported dead first, its node a moment later."""
    bridge = Bridge(max_failures=0)
    bridge.submit(task())
    pending = bridge.take("trial", tuple)
    assert pending is not None
    bridge.fail("trial", OWN)
    assert bridge.take("again", lambda: ("another",)) is pending
    bridge.fail("again", OWN)
    assert bridge.take("at last", lambda: ("home",)) is None
    assert len(bridge.results) == 1


def test_what_raised_counts_whatever_became_of_its_node() -> None:
    bridge = Bridge(max_failures=1)
    bridge.submit(task())
    assert die(bridge, *[Death("out of memory: no room", "away", raised=True)] * 9) == 2


def test_a_task_that_is_always_lost_is_given_up() -> None:
    bridge = Bridge(max_failures=2)
    bridge.submit(task())
    assert die(bridge, *[LOST] * 99) == PATIENCE
    assert bridge.results[0].extra["tries"] == 1


def test_actors_that_never_get_ready_end_the_run() -> None:
    bridge = Bridge(max_failures=0)
    for _ in range(FALSE_STARTS):
        assert bridge.broken is None
        bridge.submit(task())
        bridge.take("trial", tuple)
        bridge.fail("trial", NOT_BEGUN)
    assert "10 in a row did not (the last: killed: before it began)" in (bridge.broken or "")


def test_a_pause_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridges, "FIRST_PAUSE", 600.0)
    bridge = Bridge(max_failures=2)
    bridge.submit(task())
    bridge.submit(task())
    bridge.take("trial", tuple)
    bridge.fail("trial", LOST)
    assert bridge.take("next", tuple) is not None
    assert bridge.take("none", tuple) is None
    assert not bridge.settled()


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


def test_errors_that_come_of_a_lost_object() -> None:
    outer = RuntimeError("Caught unexpected exception")
    outer.__cause__ = RayError("lost")
    assert is_of_ray(outer)
    assert not is_of_ray(RuntimeError("a callback's"))
