"""The life of one local worker process, from its first line to its last."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from dataclasses import replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any

from plugnas.nas.executors.measure import data_of, measure
from plugnas.nas.executors.patience import BEAT
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.machine.fingerprint import fingerprint
from plugnas.nas.machine.output import lasting_output

READY = "ready"
BEGUN = "begun"
BROKEN = "broken"
ALIVE = "alive"


def work(connection: Connection, name: str, threads: int) -> None:
    """Receive the evaluator, then task after task; send BEGUN and a measurement for each.

    Ends when the driver says None, closes the connection or dies.
    """
    _die_with_parent()
    with lasting_output():  # the driver's output may be lost, and a print is no reason to fail
        _work(_Line(connection), name, threads)


class _Line:
    """A connection on which signs of life go out beside what is sent."""

    def __init__(self, connection: Connection) -> None:
        self.recv = connection.recv
        self._connection = connection
        self._one_at_a_time = threading.Lock()
        threading.Thread(target=self._beat, name="signs-of-life", daemon=True).start()

    def send(self, message: Any) -> None:
        with self._one_at_a_time:
            self._connection.send(message)

    def _beat(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.send((ALIVE, None))
                time.sleep(BEAT)


def _work(connection: _Line, name: str, threads: int) -> None:
    try:
        evaluator = connection.recv()
        _limit_torch(threads)
        evaluate = evaluator()
        _limit_torch(threads)
    except Exception:  # noqa: BLE001 - whatever it is, the driver must be told
        connection.send((BROKEN, traceback.format_exc()))
        return
    connection.send((READY, fingerprint(data_of(evaluate))))
    worker = f"{name} {os.uname().nodename} {os.getpid()}"

    def begun() -> None:
        connection.send((BEGUN, None))

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task is None:
            return
        _send(connection, measure(task, evaluate, worker=worker, on_begin=begun))


def _send(connection: _Line, measurement: Measurement) -> None:
    """Send a measurement; one that cannot be pickled loses its ``extra``."""
    try:
        connection.send(measurement)
    except (TypeError, AttributeError, ValueError):
        connection.send(replace(measurement, extra={"dropped": "extra could not be pickled"}))


def _limit_torch(threads: int) -> None:
    """Set torch's threads, once something has brought torch in."""
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def _die_with_parent() -> None:
    """End this process when the driver's ends, even by SIGKILL."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="watch-driver", daemon=True).start()


__all__ = ["ALIVE", "BEGUN", "BROKEN", "READY", "work"]
