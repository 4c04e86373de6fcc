"""The life of one local worker process, from its first line to its last."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from dataclasses import replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any

from plugnas.nas.executors.measure import measure
from plugnas.nas.ledger.measurement import Measurement

READY = "ready"
BEGUN = "begun"
BROKEN = "broken"


def work(connection: Connection, name: str, threads: int) -> None:
    """Receive the evaluator, then task after task; send BEGUN and a measurement for each.

    Ends when the driver says None, closes the connection or dies.
    """
    _die_with_parent()
    try:
        evaluator = connection.recv()
        _limit_torch(threads)
        evaluate = evaluator()
        _limit_torch(threads)
    except Exception:  # noqa: BLE001 - whatever it is, the driver must hear of it
        connection.send((BROKEN, traceback.format_exc()))
        return
    connection.send((READY, None))
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


def _send(connection: Connection, measurement: Measurement) -> None:
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


__all__ = ["BEGUN", "BROKEN", "READY", "work"]
