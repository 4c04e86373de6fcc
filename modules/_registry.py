"""The registry: declarations are checked here and found again by name."""

from __future__ import annotations

import copyreg
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from plugnas.modules._entry import Effects, Entry, Refuses, Same, Setting, Value, token
from plugnas.modules._names import Names
from plugnas.modules._slots import SLOTS
from plugnas.modules.errors import DeclarationError, UnknownModuleError, closest, did_you_mean

__all__ = ["FORMATS", "Entry", "Setting", "entries", "get", "register"]

# YAML 1.1 reads these words as a boolean or null, so that no key can be one of them.
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
# These have a meaning of their own in the choices of a job.
_RESERVED = _YAML_WORDS | {"all", "family", "slot", "exclude", "keep"}
FORMATS = ("pt2", "onnx")

_ENTRIES: dict[str, Entry] = {}
_NAMES = Names()


def _check(entry: Entry) -> None:
    def fail(law: str) -> None:
        raise DeclarationError(f"declaration of `{entry.key}`: {law}")

    if not re.fullmatch(r"[a-z][a-z0-9_]*", entry.key):
        fail(f"a key is snake_case, but got {entry.key!r}")
    for word in (entry.key, *entry.aliases):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9 _-]*", word) or word.casefold() in _RESERVED:
            fail(f"a name is letters and digits and no word of YAML or of jobs, but got {word!r}")
        if (owner := _NAMES.owner(word)) is not None:
            fail(f"the name {word!r} is taken by `{owner}`")
    for slot in entry.slots:
        if slot not in SLOTS:
            fail(f"slot must be one of {', '.join(SLOTS)}, but got {slot!r}")
    if not entry.summary:
        fail("the class needs a docstring whose first line says what it does")
    if entry.origin and entry.no_origin:
        fail(f"it has the origin {entry.origin!r}, and `no_origin` says why there is none")
    for kind in entry.export:
        if kind not in FORMATS:
            fail(f"export names formats of {', '.join(FORMATS)}, but got {kind!r}")
    for name, (other, needed) in entry.only_with.items():
        there = name in entry.choices and other != name and other not in entry.only_with
        if not there or not set(needed) < set(entry.choices.get(other, ())):
            fail(f"only_with[{name!r}] pairs a choice with some of the values of another choice")
    for name in entry.same if isinstance(entry.same, Mapping) else ():
        if name not in entry.choices:
            fail(f"same[{name!r}] names no choice{did_you_mean(name, entry.choices)}")
    parameters = inspect.signature(entry.cls).parameters
    for name, values in entry.choices.items():
        if name not in parameters or parameters[name].kind is not inspect.Parameter.KEYWORD_ONLY:
            fail(f"the choice `{name}` must be a keyword-only parameter of the constructor")
        if not isinstance(values, tuple) or not values:
            fail(f"the choice `{name}` must be a non-empty tuple, but got {values!r}")
        if len({type(value) for value in values}) > 1:
            fail(f"the choice `{name}` must hold values of one type, but got {values!r}")
        if len({token(value) for value in values}) < len(values):
            fail(f"the choice `{name}` holds a value twice: {values!r}")
        if name in entry.contract.of_the_site:
            fail(f"`{name}` belongs to the site, so that it cannot be a choice")
        if parameters[name].default not in values:
            default = parameters[name].default
            fail(f"the default of `{name}`, {default!r}, is not among its choices {values!r}")


def register(
    key: str,
    *,
    slot: str,
    family: str,
    name: str,
    year: int | None = None,
    paper: str | None = None,
    choices: Mapping[str, tuple[Value, ...]] | None = None,
    refuses: Refuses | None = None,
    also: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    export: Mapping[str, str] | None = None,
    batch_dependent: str | None = None,
    only_with: Mapping[str, tuple[str, tuple[Value, ...]]] | None = None,
    origin: str | None = None,
    same: Same | Effects | None = None,
    discontinuous: str | None = None,
    no_origin: str | None = None,
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Declare a class as a module of the zoo; the declaration is checked here, at import.

    Args:
        key: snake_case name under which spaces and ledgers know the module, for ever.
        slot: the slot whose contract the class keeps. also: further ones, by name.
        family: modules that work alike (``channel``, ``dynamic``, ...); the predictor learns
            across them.
        name: the mechanism's name in words.
        year: year of publication. paper: ``arXiv:NNNN.NNNNN``, a venue, or None.
        choices: keyword-only constructor parameters a search may vary, with their values.
        refuses: ``(site, setting) -> reason or None``; the setting arrives complete.
        aliases: names that people type for it (``"CoTAttention"``); case, spaces, ``_``, ``-`` and
            a Module, Layer, Block or Attention at the end are ignored.
        export: format (``pt2``, ``onnx``) -> why it cannot take the module.
        only_with: choice -> (another choice, the values of that one under which the first has any
            effect); a search then knows that the rest are one network.
        batch_dependent: why an output depends on the other samples in eval mode, if it does.
        origin: where the authors publish code, and its licence as an SPDX tag (NOASSERTION where
            none is stated): ``"github.com/owner/repo, Apache-2.0"``.
        same: which settings are one network at a site (a clamped width, a rounded number of
            groups). Either what the network makes of each such choice, ``{"reduction": lambda site,
            setting: max(8, site.channels // setting["reduction"])}``, or ``(site, setting) ->
            setting``: the values to change, so that all of them become one setting.
        discontinuous: why a rounding may change the output much (it keeps the k largest), if so.
        no_origin: why no ``origin`` is named: a layer of every library, or code that was looked for
            and not found.

    Raises:
        DeclarationError: the declaration contradicts itself or the registry.
    """

    def decorate(cls: type[nn.Module]) -> type[nn.Module]:
        entry = Entry(
            key, cls, slot, family, name, year, paper, dict(choices or {}), refuses, also, aliases,
            dict(export or {}), batch_dependent, dict(only_with or {}), origin, same,
            discontinuous, no_origin,
        )  # fmt: skip
        _check(entry)
        _add(entry)
        return cls

    return decorate


def _add(entry: Entry) -> None:
    _ENTRIES[entry.key] = entry
    for word in (entry.key, *entry.aliases):
        _NAMES.add(word, entry.key)


def _fill() -> None:
    """See that the whole zoo is registered, whoever imported this file alone."""
    from plugnas import modules

    modules.fill()


def snapshot() -> tuple[Entry, ...]:
    """Return what is registered now, for ``restore``."""
    _fill()
    return tuple(_ENTRIES.values())


def packages() -> set[str]:
    """Return the packages that have registered something so far; the zoo is not filled for it."""
    return {entry.cls.__module__.partition(".")[0] for entry in _ENTRIES.values()}


def restore(kept: tuple[Entry, ...]) -> None:
    """Let exactly the ``kept`` entries be registered."""
    _ENTRIES.clear()
    _NAMES.clear()
    for entry in kept:
        _add(entry)


def find(key: str) -> Entry | None:
    """Return the entry of exactly this key, or None."""
    _fill()
    return _ENTRIES.get(key)


def get(key: str) -> Entry:
    """Return the entry of a key, or of any name that people type for it.

    Raises:
        UnknownModuleError: no module of that name, or several; the text suggests the closest.
    """
    if (entry := find(key)) is not None:
        return entry
    if (found := _NAMES.find(key)) is not None:
        return _ENTRIES[found]
    raise UnknownModuleError(f"no module `{key}` in the zoo{_hint(key) or '; see `nas modules`'}")


def _reduced(entry: Entry) -> str | tuple[Any, ...]:
    """Pickle an entry as its key: the other process has the same module registered under it."""
    if find(entry.key) is entry:
        return get, (entry.key,)
    return object.__reduce_ex__(entry, 2)


copyreg.pickle(Entry, _reduced)


def _hint(word: str) -> str:
    if kin := _NAMES.kin(word):
        return f"; did you mean one of `{'`, `'.join(kin)}`?"
    owners = {name: e.key for e in _ENTRIES.values() for name in (e.key, *e.aliases)}
    close = closest(word, owners)
    return f"; did you mean `{owners[close]}`?" if close is not None else _named_like(word)


def _named_like(word: str) -> str:
    """Return the modules whose name in words has ``word`` in it, as a hint."""
    found = [e.key for e in _ENTRIES.values() if len(word) > 2 and word.lower() in e.name.lower()]
    return f"; did you mean `{'`, `'.join(found[:4])}`?" if found else ""


def entries(slot: str | None = None, family: str | None = None) -> list[Entry]:
    """Return the zoo, ordered by slot, family and key; narrowed to a slot or a family."""
    _fill()
    order = list(SLOTS)
    found = [
        entry
        for entry in _ENTRIES.values()
        if (slot is None or slot in entry.slots) and (family is None or family == entry.family)
    ]
    return sorted(found, key=lambda entry: (order.index(entry.slot), entry.family, entry.key))
