"""What a module declares about itself before anything is built."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn

from plugnas.modules._recipe import Recipe
from plugnas.modules._slots import SLOTS, Site, Slot
from plugnas.modules.errors import RefusedError, UnknownModuleError, did_you_mean

Value = int | float | str | bool | tuple[Any, ...]
Setting = Mapping[str, Any]  # name of a choice -> a Value
Refuses = Callable[[Site, Setting], str | None]
Same = Callable[[Site, Setting], Setting]
# Name of a choice -> what the network makes of its value at a site. Values of which it makes the
# same are one network, written with the first of them.
Effects = Mapping[str, Callable[[Site, Setting], Hashable]]


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
    same: Same | Effects | None = None
    discontinuous: str | None = None
    no_origin: str | None = None

    @property
    def contract(self) -> Slot:
        """The slot itself: how the module is built, what enters it, what leaves it."""
        return SLOTS[self.slot]

    @property
    def summary(self) -> str:
        """The first line of the docstring: what the module does, in a sentence."""
        return (inspect.getdoc(self.cls) or "").split("\n", 1)[0]

    @property
    def slots(self) -> tuple[str, ...]:
        """Every slot whose contract the module keeps without an adapter."""
        return (self.slot, *self.also)

    @cached_property
    def defaults(self) -> dict[str, Value]:
        """The default setting: every choice at the constructor's default."""
        parameters = inspect.signature(self.cls).parameters
        return {name: parameters[name].default for name in self.choices}

    @property
    def has_deploy_form(self) -> bool:
        """Whether the module has a ``fuse()`` of its own."""
        return callable(getattr(self.cls, "fuse", None))

    @property
    def takes_weights(self) -> bool:
        """Whether the module has an ``adopt(conv)``: it can start from a convolution's weights."""
        return callable(getattr(self.cls, "adopt", None))

    def settings(self) -> Iterator[dict[str, Value]]:
        """Yield every combination of the module's choices that makes a network of its own.

        A choice without effect has its first value.
        """
        for values in itertools.product(*self.choices.values()):
            setting = dict(zip(self.choices, values, strict=True))
            if all(
                self.matters(name, setting) or value == self.choices[name][0]
                for name, value in setting.items()
            ):
                yield setting

    def canonical(self, site: Site, setting: Setting | None = None) -> dict[str, Value]:
        """Return the one complete setting by which a network is known at the site.

        Several settings may give the same network there. A choice without effect gets its first
        value, and ``same`` decides the rest. A setting that is refused there is returned as it is.
        """
        full = self._without_idle(self.complete(setting or {}))
        if self.same is None or self.refusal(site, full) is not None:
            return full
        if callable(self.same):
            changed = self.complete({**full, **self.same(site, full)})
        else:
            changed = self._first_of_effect(site, full, self.same)
        return self._without_idle(changed)

    def _first_of_effect(self, site: Site, full: Setting, effects: Effects) -> dict[str, Value]:
        """Move each choice of ``effects``, in order, to its first value of the same effect."""
        found = dict(full)
        for name, effect in effects.items():
            own = effect(site, found)
            alike = (v for v in self.choices[name] if effect(site, {**found, name: v}) == own)
            found[name] = next(alike)
        return found

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

    def recipe(self, site: Site, setting: Setting | None = None) -> Recipe:
        """Return how the module is built for a site.

        Raises:
            RefusedError: the declaration refuses the setting at this site.
            UnknownModuleError: the setting names no choice, or a value outside it.
        """
        full = self.complete(setting or {})
        if self.refuses is not None and (reason := self.refuses(site, full)):
            raise RefusedError(f"`{self.key}` cannot stand at {site}: {reason}")
        return self.contract.recipe(self.cls, site, full)

    def build(self, site: Site, setting: Setting | None = None) -> nn.Module:
        """Build the module for a site.

        Raises:
            RefusedError, UnknownModuleError: as ``recipe``.
        """
        return self.recipe(site, setting).build()
