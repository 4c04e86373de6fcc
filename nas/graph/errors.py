"""What can go wrong when a network becomes a graph."""

from __future__ import annotations

from plugnas.modules import PlugnasError


class ConversionError(PlugnasError):
    """A network that has no form in ONNX; the text is the reason alone."""


def first_line(reason: object) -> str:
    """Return the first line of what an error of another library says, or what kind it is."""
    return (str(reason).strip().splitlines() or [type(reason).__name__])[0]
