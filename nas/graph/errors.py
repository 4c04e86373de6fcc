"""What can go wrong when a network becomes a graph."""

from __future__ import annotations

from plugnas.modules import PlugnasError


class ConversionError(PlugnasError):
    """A network that has no form in ONNX; the text is the reason alone."""
