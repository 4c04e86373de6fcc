"""What a network returns: its answer, and further outputs that are trained beside it.

torchvision's networks for segmentation return a dict: ``out``, and in training ``aux``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

ANSWER = "out"


def answer_of(outputs: Any) -> Tensor:
    """Return the network's answer: the tensor, or ``out`` of a dict."""
    found: Tensor = outputs[ANSWER] if isinstance(outputs, Mapping) else outputs
    return found


def others_of(outputs: Any) -> list[Tensor]:
    """Return the outputs beside the answer that are trained as it is (``aux``)."""
    if not isinstance(outputs, Mapping):
        return []
    return [value for name, value in outputs.items() if name != ANSWER]


__all__ = ["ANSWER", "answer_of", "others_of"]
