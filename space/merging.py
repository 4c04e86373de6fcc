"""Settings that build one network: one of them stands for the rest.

What a module declares in ``same`` is asked at every site where a choice would stand. A choice that
is made once for several sites is merged with another only where they agree at all of them; one
that is made for a skeleton's network, at all widths that the space offers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from numpy.typing import NDArray

from plugnas import modules
from plugnas.modules import Site
from plugnas.space import adapters
from plugnas.space.block import BlockSpec
from plugnas.space.codes import Codes
from plugnas.space.decoder import LevelSpec
from plugnas.space.errors import SpaceError
from plugnas.space.network import Part
from plugnas.space.options import Choice, Option
from plugnas.space.parameter import Parameter, Token
from plugnas.space.parts import Values, parts_of

Sites = Callable[[tuple[Token, ...]], Iterable[Site]]
"""The sites at which a choice stands where some leading parameters hold these values."""


@dataclass(frozen=True)
class Merge:
    """The settings of one module at one place, under the widths on which its site depends.

    ``table[codes[columns] + 1]`` are the codes of the last columns, which are the settings.
    """

    columns: tuple[int, ...]
    table: NDArray[np.int16]

    def apply(self, codes: Codes) -> None:
        """Let the settings of each row be those that stand for them, in place."""
        settings = list(self.columns[len(self.columns) - self.table.shape[-1] :])
        codes[:, settings] = self.table[tuple(codes[:, c] + 1 for c in self.columns)]


@cache
def _canonical(slot: str, choice: Choice, site: Site) -> tuple[tuple[str, object], ...]:
    entry = modules.get(choice.key)
    return tuple(adapters.canonical(entry, slot, site, dict(choice.setting)).items())


def network(slot: str, choice: Choice, sites: Iterable[Site]) -> tuple[object, ...]:
    """Return what is equal for choices that build one network at each of the sites."""
    return (choice.key, *(_canonical(slot, choice, site) for site in sites))


def networks(parts: Iterable[Part]) -> list[object]:
    """Return what is equal for two lists of a skeleton's parts that build the same network."""
    found: list[object] = []
    for part in parts:
        spec, site = part.spec, Site(*part.input_shape)
        before, after = site, site
        if isinstance(spec, BlockSpec | LevelSpec):
            before, after = spec.sites(part.input_shape)
        for field in fields(spec):  # type: ignore[arg-type]
            value = getattr(spec, field.name)
            if isinstance(value, Choice):
                first = "upsampling" if isinstance(spec, LevelSpec) else "operator"
                at = before if field.name == first else after
                value = network(field.name, value, [at])
            found.append((part.position, field.name, value))
    return found


def one_network(a: Values, b: Values) -> bool:
    """Return whether the values of two skeletons build the same; those of a host never do."""
    try:
        return networks(parts_of(a)) == networks(parts_of(b))
    except SpaceError:
        return False


@dataclass(frozen=True)
class Merging:
    """Makes the merges of one parameter that holds a module.

    Args:
        parameters: those of the space, and ``index``, their columns by name.
        name: the parameter that holds the module, for the slot ``slot``.
        sites: where a choice stands under given values of the ``leading`` parameters.
        leading: names of further parameters on which the sites depend.
    """

    parameters: Sequence[Parameter]
    index: Mapping[str, int]
    name: str
    slot: str
    sites: Sites
    leading: tuple[str, ...] = ()

    def merges(self, options: Iterable[Option]) -> Iterator[Merge]:
        """Yield a merge for each module of which some settings are one network."""
        for option in options:
            if option.entry.same is not None and option.settings:
                merge = self._merge(option)
                if merge is not None:
                    yield merge

    def _merge(self, option: Option) -> Merge | None:
        settings = [f"{self.name}.{option.entry.key}.{setting}" for setting in option.settings]
        columns = tuple(self.index[name] for name in (*self.leading, *settings))
        shape = [len(self.parameters[c].choices) + 1 for c in columns]
        own = np.indices(shape)[len(self.leading) :] - 1
        before = np.stack(list(own), axis=-1).astype(np.int16)
        table = before.copy()
        lists = [self.parameters[self.index[name]].choices for name in self.leading]
        for codes in itertools.product(*(range(len(values)) for values in lists)):
            held = tuple(values[code] for values, code in zip(lists, codes, strict=True))
            sites = tuple(self.sites(held))
            first: dict[tuple[object, ...], tuple[int, ...]] = {}
            for setting, choice in _combinations(option):
                stands = first.setdefault(network(self.slot, choice, sites), setting)
                table[tuple(c + 1 for c in (*codes, *setting))] = stands
        return None if np.array_equal(table, before) else Merge(columns, table)


def _combinations(option: Option) -> Iterator[tuple[tuple[int, ...], Choice]]:
    """Yield the codes of every setting, -1 for what has no effect, and the choice they name."""
    for codes in itertools.product(*(range(len(v)) for v in option.settings.values())):
        named = zip(option.settings.items(), codes, strict=True)
        choice = option.choice({name: values[code] for (name, values), code in named})
        awake = dict(choice.setting)
        own = (c if n in awake else -1 for n, c in zip(option.settings, codes, strict=True))
        yield tuple(own), choice
