"""What a slot of a job offers: modules of the zoo with settings pinned or opened."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plugnas import modules
from plugnas.modules import Entry, PlugnasError, Value, did_you_mean
from plugnas.space import adapters
from plugnas.space.config import Choices
from plugnas.space.errors import SpaceError
from plugnas.space.parameter import Token


@dataclass(frozen=True)
class Choice:
    """A module of the zoo with its setting: what stands in one slot of one block."""

    key: str
    setting: tuple[tuple[str, Value], ...] = ()

    @property
    def text(self) -> str:
        """``mbconv(expansion=3)``: the name under which parts are memoised and printed."""
        inner = ", ".join(f"{name}={modules.token(value)}" for name, value in self.setting)
        return f"{self.key}({inner})" if inner else self.key


@dataclass(frozen=True)
class Option:
    """A module a slot offers, with the values of the settings that the job names."""

    entry: Entry
    settings: Mapping[str, tuple[Value, ...]]

    def choices(self) -> Iterator[Choice]:
        """Yield the module under every combination of the named settings, each network once."""
        found = (
            self.choice(dict(zip(self.settings, values, strict=True)))
            for values in itertools.product(*self.settings.values())
        )
        yield from dict.fromkeys(found)

    def choice(self, setting: Mapping[str, Value]) -> Choice:
        """Return the module with the given setting, without what has no effect under it."""
        full = self.entry.complete(setting)
        kept = {n: v for n, v in setting.items() if self.entry.matters(n, full)}
        return Choice(self.entry.key, tuple(kept.items()))

    def wakes(self, name: str) -> tuple[str, tuple[Value, ...]] | None:
        """Return the open setting, and its values, under which ``name`` has an effect."""
        if name not in self.entry.only_with:
            return None
        other, needed = self.entry.only_with[name]
        if other not in self.settings:
            return None
        return other, tuple(value for value in self.settings[other] if value in needed)

    def value(self, name: str, token: Token) -> Value:
        """Return the constructor's value for a parameter's value."""
        return next(v for v in self.settings[name] if modules.token(v) == token)


def resolve(slot: str, choices: Choices, where: str) -> tuple[Option, ...]:
    """Read the choices of a slot; ``where`` names the place in the job for errors.

    A module that is named more than once is offered with all the settings named.

    Raises:
        SpaceError: unknown module, setting or family; a module that does not fit; nothing left.
    """
    items = [choices] if isinstance(choices, str) else choices
    found: dict[str, Option] = {}
    for position, item in enumerate(items):
        place = f"{where}[{position}]"
        try:
            if isinstance(item, Mapping) and set(item) == {"exclude"}:
                for key in item["exclude"]:
                    found.pop(modules.get(key).key, None)
                continue
            for option in _select(slot, item):
                key = option.entry.key
                found[key] = _union(found[key], option) if key in found else option
        except PlugnasError as error:
            raise SpaceError(f"{place}: {error}") from None
    if not found:
        raise SpaceError(f"{where}: the slot offers nothing; name at least one module, or `all`")
    return tuple(found.values())


def _select(slot: str, item: str | Mapping[str, Any]) -> list[Option]:
    if item == "all":
        return [Option(e, {}) for e in _home(slot)]
    if isinstance(item, str):
        return [Option(_entry(slot, item), {})]
    if len(item) != 1:
        raise SpaceError(
            f"one module per item, but got {', '.join(map(str, item))}; start a new `-`"
        )
    ((key, body),) = item.items()
    if key == "family":
        return _by(slot, "family", body, lambda e: e.family)
    if key == "slot":
        return _by(slot, "slot", body, lambda e: None if e.family == adapters.CONTROL else e.slot)
    entry = _entry(slot, key)
    if body == "all":
        return [_opened(entry, dict(entry.choices))]
    if body is None:
        return [Option(entry, {})]
    if not isinstance(body, Mapping):
        raise SpaceError(
            f"`{key}` takes `all` or settings {{name: value or list}}, but got {body!r}"
        )
    return [_opened(entry, {name: _values(entry, name, value) for name, value in body.items()})]


def _union(a: Option, b: Option) -> Option:
    """Return one module with the settings of both; a setting not named is its default."""
    settings = {}
    for name in dict.fromkeys((*a.settings, *b.settings)):
        default = (a.entry.defaults[name],)
        offered = (*a.settings.get(name, default), *b.settings.get(name, default))
        settings[name] = tuple(dict.fromkeys(offered))
    return _opened(a.entry, settings)


def _opened(entry: Entry, settings: dict[str, tuple[Value, ...]]) -> Option:
    """Order the settings so that one comes after the one it depends on.

    Raises:
        SpaceError: a setting that has no effect under any of the values offered.
    """
    for name, (other, needed) in entry.only_with.items():
        offered = settings.get(other, (entry.defaults[other],))
        if name in settings and not set(offered) & set(needed):
            wanted = " or ".join(str(modules.token(value)) for value in needed)
            raise SpaceError(
                f"`{entry.key}.{name}` has no effect unless `{other}` is {wanted}; "
                f"offer that too, or leave `{name}` out"
            )
    names = sorted(settings, key=lambda name: name in entry.only_with)
    return Option(entry, {name: settings[name] for name in names})


def _home(slot: str) -> list[Entry]:
    return [e for e in modules.entries() if adapters.selected_by_all(e, slot)]


def _entry(slot: str, key: Any) -> Entry:
    entry = modules.get(str(key))
    if not adapters.fits(entry, slot):
        homes = [s for s in adapters.HOMES if adapters.fits(entry, s)]
        raise SpaceError(
            f"`{entry.key}` is of slot `{entry.slot}` and cannot stand in slot `{slot}` "
            f"(it can in: {', '.join(homes)})"
        )
    return entry


def _by(slot: str, word: str, wanted: Any, of: Any) -> list[Option]:
    fitting = [e for e in modules.entries() if adapters.fits(e, slot)]
    found = [Option(e, {}) for e in fitting if of(e) == wanted]
    if not found:
        known = sorted({of(e) for e in fitting} - {None})
        raise SpaceError(
            f"no module of {word} `{wanted}` fits slot `{slot}`{did_you_mean(str(wanted), known)} "
            f"(there are: {', '.join(known)})"
        )
    return found


def _values(entry: Entry, name: str, given: Any) -> tuple[Value, ...]:
    """Match what the job says of a setting to the declared values: one, a list, or `all`."""
    entry.complete({name: entry.choices[name][0]} if name in entry.choices else {name: 0})
    declared = {modules.token(value): value for value in entry.choices[name]}
    if given == "all":
        return entry.choices[name]
    one = _token(given)
    if one in declared:
        return (declared[one],)
    values = []
    for item in given if isinstance(given, list) else [given]:
        if _token(item) not in declared:
            raise SpaceError(
                f"`{entry.key}.{name}` must be one of {', '.join(map(str, declared))}, "
                f"but got {item!r}"
            )
        values.append(declared[_token(item)])
    if not values:
        raise SpaceError(f"`{entry.key}.{name}` is an empty list; give a value, a list or `all`")
    return tuple(dict.fromkeys(values))


def _token(value: Any) -> Token:
    return modules.token(tuple(value) if isinstance(value, list) else value)
