"""What a network is for: its outputs, loss and metrics. One file per task."""

from plugnas.nas.tasks.base import Task, TaskError
from plugnas.nas.tasks.registry import (
    DEFAULT,
    create,
    default_objectives,
    is_name,
    kind,
    names,
    parse,
    placed,
)

__all__ = [
    "DEFAULT",
    "Task",
    "TaskError",
    "create",
    "default_objectives",
    "is_name",
    "kind",
    "names",
    "parse",
    "placed",
]
