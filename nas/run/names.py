"""Modules by the names that a job calls them: a module has one key, and names that people type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from plugnas import modules
from plugnas.modules import PlugnasError
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.python_run import Run

_OTHER = ("host", "after", "replace", "slot", "start", "scope", "together", "family", "exclude")
"""Keys of a space under which no module stands."""


def names_of(run: Run | None) -> dict[str, str]:
    """Return key -> the name that the job gives it, of the modules that it calls otherwise."""
    if not isinstance(run, RunDirectory):
        return {}
    found: dict[str, str] = {}
    for word in _words(msgspec.to_builtins(run.job.space)):
        key = _key(word)
        if key is not None and key != word:
            found.setdefault(key, word)
    return found


def called(token: object, names: Mapping[str, str]) -> str:
    """Return a choice such as ``swish`` as the job calls it, with its settings if it has any."""
    head, bracket, rest = str(token).partition("(")
    return names.get(head, head) + bracket + rest


def _words(section: Any, *, listed: bool = False) -> Iterator[str]:
    """Yield every word that may name a module: of lists, and keys of mappings in lists."""
    if isinstance(section, Mapping):
        for key, value in section.items():
            if key in _OTHER:
                continue
            if listed:
                yield str(key)
            yield from _words(value)
    elif isinstance(section, list):
        for value in section:
            yield from _words(value, listed=True)
    elif isinstance(section, str):
        yield section


def _key(word: str) -> str | None:
    try:
        return modules.get(word).key
    except PlugnasError:
        return None


__all__ = ["called", "names_of"]
