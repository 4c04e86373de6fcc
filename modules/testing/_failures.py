"""What a failed check raises, and comparisons that say what differs."""

from __future__ import annotations

import torch
from torch import Tensor


class ConformanceError(AssertionError):
    """A module breaks the contract of its slot or says something untrue in its declaration."""


def ensure(condition: object, law: str) -> None:
    """Raise ConformanceError with ``law`` unless the condition holds."""
    if not condition:
        raise ConformanceError(law)


def ensure_close(a: Tensor, b: Tensor, law: str, tolerance: float = 1e-5) -> None:
    """Equal up to rounding, which in a deep module scales with its largest value.

    Args:
        a: what was computed.
        b: what it should be.
        law: what is broken where the two differ.
        tolerance: the share of the largest value (1 at least) by which they may differ.

    Raises:
        ConformanceError: shapes or values differ.
    """
    ensure(a.shape == b.shape, f"{law}: shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if b.numel():
        scale = max(1.0, float(b.abs().max()))
        off = float((a - b).abs().max()) / scale
        ensure(
            torch.allclose(a, b, rtol=10 * tolerance, atol=tolerance * scale),
            f"{law}: off by {off:.1e} of the largest value",
        )


def relative_error(a: Tensor, b: Tensor) -> float:
    """The norm of the difference over that of ``b``, in float64."""
    a, b = a.double(), b.double()
    return float((a - b).norm() / b.norm().clamp_min(1e-12))
