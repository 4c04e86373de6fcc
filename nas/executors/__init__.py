"""Executors run tasks and return measurements: in this process, in worker processes, on a cluster.

``create(kind, evaluator, ...)`` makes one; Ray is imported only for ``kind="ray"``.
"""

from __future__ import annotations

from typing import Any

from modules.errors import did_you_mean
from nas.evaluation import Evaluator
from nas.executors.base import Executor, ExecutorError
from nas.executors.local import LocalExecutor
from nas.executors.serial import SerialExecutor

KINDS = ("serial", "local", "ray")


def create(kind: str, evaluator: Evaluator, **options: Any) -> Executor:
    """Return the executor of that kind. Raises ExecutorError for an unknown one.

    Options: ``workers``, ``timeout_s`` for ``local``; see ``RayExecutor`` for ``ray``.
    """
    if kind == "serial":
        return SerialExecutor(evaluator, **options)
    if kind == "local":
        return LocalExecutor(evaluator, **options)
    if kind == "ray":
        from nas.executors.cluster import RayExecutor

        return RayExecutor(evaluator, **options)
    raise ExecutorError(
        f"An executor is one of {', '.join(KINDS)}, not {kind!r}{did_you_mean(kind, KINDS)}"
    )


__all__ = [
    "KINDS",
    "Executor",
    "ExecutorError",
    "LocalExecutor",
    "SerialExecutor",
    "create",
]
