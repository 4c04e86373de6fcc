"""A quoted example: constructor arguments, input shapes, the output shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """One example: ``cls(*args, **kwargs)(*inputs of shapes, **call)`` has shape ``output``."""

    key: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: list[tuple[int, ...]]
    output: tuple[int, ...]
    call: dict[str, Any] = field(default_factory=dict)
