"""Errors a user can act on: the law, the value, the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PlugnasError(Exception):
    """Base of every error that is the input's fault; the CLI prints its text and exits with 2."""


class DeclarationError(PlugnasError):
    """A module was registered with a declaration that contradicts itself."""


class UnknownModuleError(PlugnasError):
    """A key that is not in the zoo."""


class RefusedError(PlugnasError):
    """A setting that cannot stand at a site; the text is the module's own reason."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` did you mean `x`?`` for the closest of ``known``, or an empty string."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.55)
    return f"; did you mean `{close[0]}`?" if close else ""
