"""Layers of a host that begin with weights of no training: replaced classifiers."""

from __future__ import annotations

from torch import nn

_FRESH = "plugnas_fresh"


def mark_fresh(layer: nn.Module) -> nn.Module:
    """Note on a layer that it begins fresh; the note goes with copies of it."""
    setattr(layer, _FRESH, True)
    return layer


def is_fresh(layer: nn.Module) -> bool:
    """Whether a layer begins fresh."""
    return bool(getattr(layer, _FRESH, False))
