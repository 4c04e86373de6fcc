"""One forward of a host, watched: what every submodule received and returned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Sizes = tuple[int, ...]


@dataclass
class Call:
    """One call of a submodule: the shape of its first argument and of what it returned."""

    entered: Sizes | None
    left: Sizes | None
    returned: str


@dataclass
class Watched:
    """All calls by path in the order in which they ended, and how the forward ended."""

    calls: dict[str, list[Call]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    output: Any = None
    stopped: str | None = None
    stopped_in: str | None = None
    needs_values: bool = False  # an operator asked for the values of tensors that have none

    @property
    def finished(self) -> bool:
        """Whether the forward came to its end."""
        return self.stopped is None


def watch(
    model: nn.Module,
    images: Callable[[], Any],
    context: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Watched:
    """Run ``model(images())`` once under ``context`` and return what happened, failures too."""
    found, handles = Watched(), []
    open_calls: list[str] = []
    for path, module in model.named_modules():
        if path and not isinstance(module, torch.jit.ScriptModule):
            handles += _hooks(path, module, found, open_calls)
    try:
        with context(), torch.no_grad():
            found.output = model(images())
    except Exception as error:  # noqa: BLE001 - any failure of a foreign network is a finding
        lines = str(error).strip().splitlines()
        found.stopped = _shortened(f"{type(error).__name__}: {lines[0] if lines else ''}")
        found.needs_values = _asks_for_values(error)
        found.stopped_in = open_calls[-1] if open_calls else None
    finally:
        for handle in handles:
            handle.remove()
    return found


def _hooks(path: str, module: nn.Module, found: Watched, open_calls: list[str]) -> list[Any]:
    def begins(_: nn.Module, args: Any, kwargs: Any) -> None:
        open_calls.append(path)

    def ends(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        open_calls.pop()
        first = next(iter((*args, *kwargs.values())), None)
        entered = tuple(first.shape) if isinstance(first, Tensor) else None
        left = tuple(output.shape) if isinstance(output, Tensor) else None
        found.calls.setdefault(path, []).append(Call(entered, left, _in_words(output)))
        found.order.append(path)

    return [
        module.register_forward_pre_hook(begins, with_kwargs=True),
        module.register_forward_hook(ends, with_kwargs=True),
    ]


def _in_words(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of {output.dim()} axes"
    if isinstance(output, dict):
        return f"a dict ({', '.join(map(str, list(output)[:4]))})"
    if isinstance(output, list | tuple):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"


# What torch raises where a network would look at numbers that do not exist.
_VALUES = {"DataDependentOutputException", "DynamicOutputShapeException",
           "GuardOnDataDependentSymNode"}  # fmt: skip


def _asks_for_values(error: Exception) -> bool:
    if isinstance(error, NotImplementedError) or type(error).__name__ in _VALUES:
        return True
    return "meta tensor" in str(error)


def _shortened(text: str, most: int = 140) -> str:
    text = text.rstrip(": ")
    return text if len(text) <= most else text[: most - 4].rstrip() + " ..."
