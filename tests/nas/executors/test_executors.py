"""Executors: the same measurements from each, whatever becomes of the workers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from plugnas.nas import executors
from plugnas.nas.executors import ExecutorError, LocalExecutor, SerialExecutor
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.study.drive import drive
from plugnas.nas.study.study import Study
from tests.nas.runs import Table, broken_factory, found, study


def ids(count: int) -> list[str]:
    """The ids of the first architectures that the tests' sampler draws."""
    run = study(trials=count)
    return [run.ask().architecture.id for _ in range(count)]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def undisturbed() -> set[tuple[object, ...]]:
    run = study(trials=24)
    drive(run, SerialExecutor(Table()))
    assert len(run.measurements) == 24
    return found(run.measurements)


def finished(run: Study, table: Table, **options: object) -> Study:
    drive(run, LocalExecutor(table, workers=2, **options))  # type: ignore[arg-type]
    return run


def test_local_equals_serial(undisturbed: set[tuple[object, ...]], tmp_path: Path) -> None:
    log = tmp_path / "log"
    run = finished(study(trials=24), Table(seconds=0.02, log=log))
    assert found(run.measurements) == undisturbed
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len(lines) == 24
    assert str(os.getpid()) not in {process for _, process in lines}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("kill", "killed: worker ended by SIGKILL"),
        ("exit", "killed: worker exited with code 7"),
        ("hang", "hung: no result within 4 s"),
        ("memory", "out of memory: MemoryError: no room for 1 EB"),
        ("raise", "raised: ValueError: a module that raises"),
    ],
)
def test_fault_is_recorded_and_the_retry_succeeds(
    undisturbed: set[tuple[object, ...]], tmp_path: Path, fault: str, reason: str
) -> None:
    victim = ids(4)[3]
    table = Table(faults={victim: fault}, once=tmp_path)
    run = finished(study(trials=24), table, evaluation_timeout=4.0 if fault == "hang" else None)
    bad = [m for m in run.measurements if not m.ok]
    assert [(m.number, m.attempt) for m in bad] == [(3, 0)]
    assert (bad[0].reason or "").startswith(reason)
    assert bad[0].worker
    assert found(run.measurements) == undisturbed


def test_what_always_kills_its_worker_is_given_up_and_the_search_goes_on() -> None:
    victims = dict.fromkeys(ids(3)[:2], "kill")
    run = finished(study(trials=8), Table(faults=victims))
    bad = [(m.number, m.attempt) for m in run.measurements if not m.ok]
    assert sorted(bad) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert {m.number for m in run.measurements if m.ok} == set(range(2, 8))


def test_worker_killed_from_outside(undisturbed: set[tuple[object, ...]], tmp_path: Path) -> None:
    log = tmp_path / "log"
    run = study(trials=24)
    over = threading.Event()

    def kill_a_worker_twice() -> None:
        begun = 0
        for more in (3, 6):
            while not log.exists() or len(log.read_text().splitlines()) < begun + more:
                if over.wait(0.01):  # this thread came late, and no more lines come
                    return
            lines = log.read_text().splitlines()
            begun = len(lines)
            with contextlib.suppress(ProcessLookupError):  # where this thread came late
                os.kill(int(lines[-1].split()[1]), signal.SIGKILL)

    killer = threading.Thread(target=kill_a_worker_twice)
    killer.start()
    finished(run, Table(seconds=0.1, log=log))
    over.set()
    killer.join()
    assert found(run.measurements) == undisturbed


def test_worker_killed_while_idle_costs_no_strike() -> None:
    executor = LocalExecutor(Table(), workers=1)
    run = study(trials=2)
    executor.submit(run.ask())  # type: ignore[arg-type]
    first = wait_for(executor)
    os.kill(int(first.worker.split()[-1]), signal.SIGKILL)
    run.tell(first)
    executor.submit(run.ask())  # type: ignore[arg-type]
    second = wait_for(executor)
    executor.close()
    assert second.ok
    assert second.worker != first.worker


def test_one_task_waits_for_a_free_worker_and_can_be_taken_back() -> None:
    executor = LocalExecutor(Table(), workers=1)
    run = study(trials=3)
    assert executor.capacity == 2
    tasks = [run.ask(), run.ask()]
    for task in tasks:
        executor.submit(task)  # type: ignore[arg-type]
    run.tell(wait_for(executor))
    assert executor.running == 1  # the second began before anyone asked for a third
    executor.submit(third := run.ask())  # type: ignore[arg-type]
    assert executor.recall() == [third]
    run.put_back(third)  # type: ignore[arg-type]
    run.tell(wait_for(executor))
    executor.close()
    assert run.ask() == third


def wait_for(executor: LocalExecutor):  # type: ignore[no-untyped-def]
    while True:
        got = executor.wait(10.0)
        if got:
            return got[0]


def one_thread() -> object:
    import torch

    def evaluate(task: Task) -> dict[str, object]:
        variable = float(os.environ["OMP_NUM_THREADS"])
        uncached = float(os.environ["GLIBC_TUNABLES"] == "glibc.malloc.tcache_count=0")
        values = {"accuracy": torch.get_num_threads(), "variable": variable, "uncached": uncached}
        return {"values": values}

    return evaluate


def test_workers_have_one_thread_and_malloc_without_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    run = study(trials=1)
    drive(run, LocalExecutor(one_thread, workers=1))  # type: ignore[arg-type]
    assert run.measurements[0].values == {"accuracy": 1.0, "variable": 1.0, "uncached": 1.0}
    assert "GLIBC_TUNABLES" not in os.environ


def test_factory_that_fails_ends_the_run_with_its_text() -> None:
    with pytest.raises(ExecutorError, match="no images at /nowhere"):
        drive(study(trials=4), LocalExecutor(broken_factory, workers=2))


def dies_at_once() -> object:
    os._exit(3)


def test_workers_that_never_get_ready_end_the_run() -> None:
    with pytest.raises(ExecutorError, match=r"3 in a row ended before that .*exited with code 3"):
        drive(study(trials=4), LocalExecutor(dies_at_once, workers=1))  # type: ignore[arg-type]


def test_evaluator_that_does_not_pickle() -> None:
    with pytest.raises(ExecutorError, match="Define it at the top level of a module"):
        drive(study(trials=4), LocalExecutor(lambda: Table().evaluate, workers=1))


def test_unknown_kind_and_bad_numbers() -> None:
    with pytest.raises(ExecutorError, match="did you mean `local`"):
        executors.create("locall", Table())
    with pytest.raises(ExecutorError, match="workers=0"):
        executors.create("local", Table(), workers=0)
    assert isinstance(executors.create("serial", Table()), SerialExecutor)


def test_workers_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    log = tmp_path / "log"
    script.write_text(
        "from pathlib import Path\n"
        "from plugnas.nas.study.drive import drive\n"
        "from plugnas.nas.executors import LocalExecutor\n"
        "from tests.nas.runs import Table, study\n"
        "if __name__ == '__main__':\n"
        f"    table = Table(seconds=600, log=Path({str(log)!r}))\n"
        "    drive(study(trials=4), LocalExecutor(table, workers=2))\n"
    )
    with subprocess.Popen([sys.executable, str(script)], env=environment()) as driver:
        while not log.exists() or len(log.read_text().splitlines()) < 2:
            assert driver.poll() is None
            time.sleep(0.02)
        driver.kill()
    workers = [int(line.split()[1]) for line in log.read_text().splitlines()]
    for _ in range(3000):
        if not any(alive(worker) for worker in workers):
            return
        time.sleep(0.02)
    pytest.fail(f"workers {workers} outlived their driver")


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def environment() -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    paths = [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
