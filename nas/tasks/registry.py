"""The tasks there are: those of plugnas, of installed packages, and of a user's own file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from plugnas.modules import did_you_mean
from plugnas.nas.machine.foreign import absolute, find, is_reference
from plugnas.nas.tasks.base import Task, TaskError

GROUP = "plugnas.tasks"
"""The entry-point group of installed packages; an entry names a class derived from ``Task``."""

DEFAULT = "classification"
_OWN = {
    "classification": ("plugnas.nas.tasks.classification", "Classification"),
    "multilabel": ("plugnas.nas.tasks.multilabel", "Multilabel"),
    "segmentation": ("plugnas.nas.tasks.segmentation", "Segmentation"),
}


def names() -> list[str]:
    """Return the names of all tasks that are known here."""
    return [*_OWN, *sorted(p.name for p in entry_points(group=GROUP) if p.name not in _OWN)]


def is_name(name: str) -> bool:
    """Whether a task of that name is known here."""
    return name in _OWN or name in names()  # names() reads what every installed package announces


def parse(task: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a job's ``task:`` as its name and options.

    Raises:
        TaskError: neither a name nor ``{name: {option: value}}``.
    """
    pair = {task: {}} if isinstance(task, str) else dict(task)
    if len(pair) != 1 or not isinstance(next(iter(pair.values())) or {}, Mapping):
        raise TaskError(
            "task: give a name or {name: {option: value}}, such as "
            f"{{classification: {{class_weights: balanced}}}}, but got {task!r}"
        )
    name, options = next(iter(pair.items()))
    return str(name), dict(options or {})


def create(task: str | Mapping[str, Any] = DEFAULT, base: Path | str | None = None) -> Task:
    """Return the task that a job names: by name, as ``file.py:Class`` or ``package.module:Class``.

    Args:
        task: its name, or ``{name: {option: value}}``.
        base: the folder where the path of a file starts; the current one if None.

    Raises:
        TaskError: no such task, something that is none, or an option that it has not.
        PlugnasError: its file is not there, or fails while it is imported.
    """
    name, options = parse(task)
    found = kind(name, base)
    if not (inspect.isclass(found) and issubclass(found, Task)):
        raise TaskError(f"task: {name} must be a class derived from plugnas.nas.tasks.Task")
    known = [p for p in inspect.signature(found).parameters]
    for option in options:
        if option not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none"
            raise TaskError(
                f"task: {name} has no option `{option}`{did_you_mean(option, known)} ({has})"
            )
    _check_metrics(name, found)
    made: Task = found(**options)
    return made


def default_objectives(task: Task | type[Task]) -> dict[str, str]:
    """Return the objectives of a job that names none: the task's first metric, and FLOPs."""
    main = next(iter(task.metrics))
    return {main: task.metrics[main], "flops": "min"}


def placed(task: str | Mapping[str, Any], base: Path | str) -> str | dict[str, Any]:
    """Return a job's ``task:`` as another process finds it: with its file by absolute path."""
    name, options = parse(task)
    known = is_name(name) or not is_reference(name)
    return {name if known else absolute(name, base): options}


def kind(name: str, base: Path | str | None = None) -> Any:
    """Return the class of a task, or whatever else stands under its name."""
    if name in _OWN:
        module, own = _OWN[name]
        return getattr(import_module(module), own)
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    if is_reference(name):
        return find(name, base)
    raise TaskError(
        f"task: there is no task `{name}`{did_you_mean(name, names())} (there are: "
        f"{', '.join(names())}; your own: `file.py:Class`)"
    )


def _check_metrics(name: str, kind: type[Task]) -> None:
    found: Any = kind.metrics
    if not isinstance(found, Mapping) or not found or not set(found.values()) <= {"max", "min"}:
        raise TaskError(
            f"task: {name}.metrics must map at least one name to max or min, such as "
            f"{{'rmse': 'min'}}, but is {found!r}"
        )


__all__ = [
    "DEFAULT",
    "GROUP",
    "create",
    "default_objectives",
    "is_name",
    "kind",
    "names",
    "parse",
    "placed",
]
