"""What can go wrong between a run and a model that somebody else uses."""

from __future__ import annotations

from plugnas.modules import PlugnasError


class ExportError(PlugnasError):
    """An export that cannot be made, does not compute what it should, or was changed since."""
