"""Errors a user can act on: the law, the value, the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from plugnas.modules._names import fold


class PlugnasError(Exception):
    """Base of every error that is the input's fault; the CLI prints its text and exits with 2."""


class DeclarationError(PlugnasError):
    """A module was registered with a declaration that contradicts itself."""


class UnknownModuleError(PlugnasError):
    """A key that is not in the zoo."""


class RefusedError(PlugnasError):
    """A setting that cannot stand at a site; the text is the module's own reason."""


class LoadError(PlugnasError):
    """A file or package with modules from outside that is missing or fails while imported."""


class AdoptError(PlugnasError):
    """A module that cannot start from the weights of a convolution and compute what it did."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` did you mean `x`?`` for the closest of ``known``, or an empty string.

    Case, spaces and dashes do not count: ``CBAM`` is near ``cbam``.
    """
    close = closest(word, known)
    return "" if close is None else f"; did you mean `{close}`?"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of ``known`` that looks most like a word, or None where none does."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(fold(name), name)
    close = difflib.get_close_matches(fold(str(word)), folded, n=1, cutoff=0.55)
    return folded[close[0]] if close else None
