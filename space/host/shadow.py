"""A host without memory for its weights: the same modules over meta tensors."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class EmptyOnMeta(TorchFunctionMode):
    """While a network is built: what is made empty, to be filled later, takes no memory.

    Layers make their weights by ``torch.empty``; everything that a constructor computes with
    (``torch.linspace(...).tolist()``) stays real, so that any constructor runs.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            kwargs = {**kwargs, "device": "meta", "pin_memory": False}
        return func(*args, **kwargs)


def shadow_of(model: nn.Module) -> nn.Module:
    """Return a copy whose parameters and buffers are on the meta device; nothing is copied over.

    Plain tensors that modules keep as attributes are copied as they are.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in memo:
                memo[id(parameter)] = _meta_parameter(name, parameter)
        for buffer in module._buffers.values():
            if buffer is not None and id(buffer) not in memo:
                memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo).eval()


def _meta_parameter(name: str, parameter: nn.Parameter) -> nn.Parameter:
    empty = torch.empty_like(parameter, device="meta")
    return nn.Parameter(empty, requires_grad=parameter.requires_grad)
