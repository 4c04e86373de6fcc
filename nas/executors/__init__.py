"""Executors run tasks and return measurements: in this process, in worker processes, on a cluster.

``create(kind, evaluator, ...)`` makes one; Ray is imported only for ``kind="ray"``.
"""

from __future__ import annotations

from typing import Any

from plugnas.modules.errors import did_you_mean
from plugnas.nas.executors.base import Executor, ExecutorError
from plugnas.nas.executors.local import LocalExecutor
from plugnas.nas.executors.measure import Evaluator
from plugnas.nas.executors.serial import SerialExecutor

KINDS = ("serial", "local", "ray")


def create(kind: str, evaluator: Evaluator, **options: Any) -> Executor:
    """Return the executor of that kind. Raises ExecutorError for an unknown one.

    Options: ``workers``, ``evaluation_timeout`` for ``local``; see ``RayExecutor`` for ``ray``.
    """
    if kind == "serial":
        return SerialExecutor(evaluator, **options)
    if kind == "local":
        return LocalExecutor(evaluator, **options)
    if kind == "ray":
        from plugnas.nas.executors.ray_executor import RayExecutor

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
