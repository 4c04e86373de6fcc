"""The names under which modules are known: their keys, and what people type for them."""

from __future__ import annotations

import re

# Words that people add to a mechanism's name or leave out: SEModule, SELayer, SEAttention.
_SUFFIXES = ("attention", "module", "block", "layer")


def fold(name: str) -> str:
    """Return a name without case, spaces, dashes and underscores: ``SE-Module`` -> ``semodule``."""
    return re.sub(r"[\s_-]", "", name).casefold()


def stem(name: str) -> str:
    """Return the folded name without Attention, Module, Block and Layer at its end.

    A name that consists of these words keeps the first one: ``AttentionBlock`` -> ``attention``.
    """
    folded = fold(name)
    while found := [s for s in _SUFFIXES if folded.endswith(s) and folded != s]:
        folded = folded.removesuffix(found[0])
    return folded


class Names:
    """Which key a typed name means; a name belongs to one key, a stem may belong to several.

    A name is looked up as it is folded; where nobody declared it so, by its stem, and then only if
    all declared names of that stem belong to one key.
    """

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}
        self._stems: dict[str, set[str]] = {}

    def add(self, name: str, key: str) -> None:
        """Let ``name`` mean ``key``."""
        self._keys[fold(name)] = key
        self._stems.setdefault(stem(name), set()).add(key)

    def clear(self) -> None:
        """Forget every name."""
        self._keys.clear()
        self._stems.clear()

    def owner(self, name: str) -> str | None:
        """Return the key that declared the name, in whatever spelling, or None."""
        return self._keys.get(fold(name))

    def find(self, name: str) -> str | None:
        """Return the key that a typed name means, or None where there is none or several."""
        if (own := self.owner(name)) is not None:
            return own
        kin = self._stems.get(stem(name), set())
        return next(iter(kin)) if len(kin) == 1 else None

    def kin(self, name: str) -> list[str]:
        """Return every key that has a declared name of the same stem, in order."""
        return sorted(self._stems.get(stem(name), set()))
