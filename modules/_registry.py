"""The registry: what each module declares about itself before anything is built."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from plugnas.modules._names import Names
from plugnas.modules._slots import SLOTS, Site
from plugnas.modules.errors import DeclarationError, RefusedError, UnknownModuleError, did_you_mean

Value = int | float | str | bool | tuple[Any, ...]
Setting = Mapping[str, Value]
Refuses = Callable[[Site, Setting], str | None]
Same = Callable[[Site, Setting], Setting]

# What YAML 1.1 reads as a boolean or null, so that no key of the zoo is swallowed by a parser.
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
# ... and what a job says in the place of a key.
_RESERVED = _YAML_WORDS | {"all", "family", "slot", "exclude", "keep"}
FORMATS = ("pt2", "onnx")


def token(value: Value) -> int | str:
    """Return the form in which a value stands in a space: an int, or a string without spaces."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return value
    if isinstance(value, tuple):
        return ",".join(str(token(part)) for part in value)
    return repr(value)


@dataclass(frozen=True)
class Entry:
    """One module of the zoo as declared; all that a search needs before anything is built."""

    key: str
    cls: type[nn.Module]
    slot: str
    family: str
    name: str
    year: int | None
    paper: str | None
    choices: Mapping[str, tuple[Value, ...]]
    refuses: Refuses | None = None
    also: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    export: Mapping[str, str] = field(default_factory=dict)
    batch_dependent: str | None = None
    only_with: Mapping[str, tuple[str, tuple[Value, ...]]] = field(default_factory=dict)
    origin: str | None = None
    same: Same | None = None

    @property
    def summary(self) -> str:
        """The first line of the docstring: what the module does, in a sentence."""
        return (inspect.getdoc(self.cls) or "").split("\n", 1)[0]

    @property
    def slots(self) -> tuple[str, ...]:
        """Every slot whose contract the module keeps without an adapter."""
        return (self.slot, *self.also)

    @property
    def defaults(self) -> dict[str, Value]:
        """The default setting: every choice at the constructor's default."""
        parameters = inspect.signature(self.cls).parameters
        return {name: parameters[name].default for name in self.choices}

    @property
    def has_deploy_form(self) -> bool:
        """Whether the module has a ``fuse()`` of its own."""
        return callable(getattr(self.cls, "fuse", None))

    def settings(self) -> Iterator[dict[str, Value]]:
        """Yield every combination of the module's choices that makes a network of its own.

        A choice that does not matter stands at its first value.
        """
        for values in itertools.product(*self.choices.values()):
            setting = dict(zip(self.choices, values, strict=True))
            if all(
                self.matters(name, setting) or value == self.choices[name][0]
                for name, value in setting.items()
            ):
                yield setting

    def canonical(self, site: Site, setting: Setting | None = None) -> dict[str, Value]:
        """Return the complete setting that stands for all that compute one network at the site.

        What has no effect stands at its first value, and ``same`` is asked for the rest.
        """
        full = self._without_idle(self.complete(setting or {}))
        if self.same is None:
            return full
        return self._without_idle(self.complete({**full, **self.same(site, full)}))

    def _without_idle(self, full: Mapping[str, Value]) -> dict[str, Value]:
        return {
            name: value if self.matters(name, full) else self.choices[name][0]
            for name, value in full.items()
        }

    def matters(self, name: str, setting: Setting) -> bool:
        """Return whether a choice has an effect under a complete setting (see ``only_with``)."""
        if name not in self.only_with:
            return True
        other, values = self.only_with[name]
        return setting[other] in values

    def complete(self, setting: Setting) -> dict[str, Value]:
        """Return ``setting`` with defaults filled in.

        Raises:
            UnknownModuleError: a name that is no choice of the module, or a value outside it.
        """
        for name, value in setting.items():
            if name not in self.choices:
                raise UnknownModuleError(
                    f"`{self.key}` has no setting `{name}` (it has: "
                    f"{', '.join(self.choices) or 'none'}){did_you_mean(name, self.choices)}"
                )
            if value not in self.choices[name]:
                allowed = ", ".join(str(token(choice)) for choice in self.choices[name])
                raise UnknownModuleError(
                    f"`{self.key}.{name}` must be one of {allowed}, but got {value!r}"
                )
        return {**self.defaults, **setting}

    def refusal(self, site: Site, setting: Setting | None = None) -> str | None:
        """Return why the setting cannot stand at the site, or None if it can."""
        return None if self.refuses is None else self.refuses(site, self.complete(setting or {}))

    def build(self, site: Site, setting: Setting | None = None) -> nn.Module:
        """Build the module for a site.

        Raises:
            RefusedError: the declaration refuses the setting at this site.
            UnknownModuleError: the setting names no choice, or a value outside it.
        """
        full = self.complete(setting or {})
        if self.refuses is not None and (reason := self.refuses(site, full)):
            raise RefusedError(f"`{self.key}` cannot stand at {site}: {reason}")
        args, keywords = self.arguments(site, full)
        return self.cls(*args, **keywords)

    @property
    def takes_channels(self) -> bool:
        """Whether the constructor asks for the width; only an activation may leave it out."""
        return self.slot != "activation" or "channels" in inspect.signature(self.cls).parameters

    def arguments(self, site: Site, setting: Setting) -> tuple[tuple[int, ...], dict[str, Value]]:
        """Return the constructor's positional and keyword arguments at a site, unchecked."""
        if self.slot in ("operator", "transform"):
            return (site.channels, site.width_out), {"stride": site.stride, **setting}
        if self.slot == "upsampling":
            return (site.channels,), {"scale": site.scale, **setting}
        return ((site.channels,) if self.takes_channels else ()), dict(setting)


_ENTRIES: dict[str, Entry] = {}
_NAMES = Names()
# Keyword-only parameters that the site decides, so that no setting can.
_OF_THE_SITE = {"operator": "stride", "transform": "stride", "upsampling": "scale"}


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
    for kind in entry.export:
        if kind not in FORMATS:
            fail(f"export names formats of {', '.join(FORMATS)}, but got {kind!r}")
    for name, (other, needed) in entry.only_with.items():
        there = name in entry.choices and other != name and other not in entry.only_with
        if not there or not set(needed) < set(entry.choices.get(other, ())):
            fail(f"only_with[{name!r}] pairs a choice with some of the values of another choice")
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
        if name == _OF_THE_SITE.get(entry.slot):
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
    same: Same | None = None,
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Declare a class as a module of the zoo; the declaration is checked here, at import.

    Args:
        key: snake_case name under which spaces and ledgers know the module, for ever.
        slot: the slot whose contract the class keeps; ``also`` names further ones.
        family: kin that share strength in a search (``channel``, ``dynamic``, ...).
        name: the mechanism's name in words.
        year: year of publication. paper: ``arXiv:NNNN.NNNNN``, a venue, or None.
        choices: keyword-only constructor parameters a search may vary, with their values.
        refuses: ``(site, setting) -> reason or None``; the setting arrives complete.
        aliases: names that people type for it (``"CoTAttention"``); case, spaces, ``_``, ``-`` and
            a Module, Layer, Block or Attention at the end are not told apart.
        export: format (``pt2``, ``onnx``) -> why it cannot take the module.
        only_with: choice -> (another choice, the values of that one under which the first has any
            effect); a search then knows that the rest are one network.
        batch_dependent: why an output depends on the other samples in eval mode, if it does.
        origin: where the authors publish code against which numbers were checked, and its licence
            as an SPDX tag: ``"github.com/owner/repo, Apache-2.0"``.
        same: ``(site, setting) -> setting``: which setting, or which of its values to change, gives
            the same network at the site (a clamped width, a rounded number of groups); the
            complete setting itself, or ``{}``, where there is no other.

    Raises:
        DeclarationError: the declaration contradicts itself or the registry.
    """

    def decorate(cls: type[nn.Module]) -> type[nn.Module]:
        entry = Entry(
            key, cls, slot, family, name, year, paper, dict(choices or {}), refuses, also, aliases,
            dict(export or {}), batch_dependent, dict(only_with or {}), origin, same,
        )  # fmt: skip
        _check(entry)
        _ENTRIES[key] = entry
        for word in (key, *aliases):
            _NAMES.add(word, key)
        return cls

    return decorate


def get(key: str) -> Entry:
    """Return the entry of a key, or of any name that people type for it.

    Raises:
        UnknownModuleError: no module of that name, or several; the text suggests the closest.
    """
    if (entry := _ENTRIES.get(key)) is not None:
        return entry
    if (found := _NAMES.find(key)) is not None:
        return _ENTRIES[found]
    raise UnknownModuleError(f"no module `{key}` in the zoo{_hint(key) or '; see `nas modules`'}")


def _hint(word: str) -> str:
    if kin := _NAMES.kin(word):
        return f"; did you mean one of `{'`, `'.join(kin)}`?"
    names = [*_ENTRIES, *(alias for e in _ENTRIES.values() for alias in e.aliases)]
    return did_you_mean(word, names) or _named_like(word)


def _named_like(word: str) -> str:
    """Return the modules whose name in words has ``word`` in it, as a hint."""
    found = [e.key for e in _ENTRIES.values() if len(word) > 2 and word.lower() in e.name.lower()]
    return f"; did you mean `{'`, `'.join(found[:4])}`?" if found else ""


def entries(slot: str | None = None, family: str | None = None) -> list[Entry]:
    """Return the zoo, ordered by slot, family and key; narrowed to a slot or a family."""
    order = list(SLOTS)
    found = [
        entry
        for entry in _ENTRIES.values()
        if (slot is None or slot in entry.slots) and (family is None or family == entry.family)
    ]
    return sorted(found, key=lambda entry: (order.index(entry.slot), entry.family, entry.key))
