"""Counting at the dispatcher: what a module computes, exactly, without training it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from plugnas.nas.cost.errors import UncountedOperatorError
from plugnas.nas.cost.rules import Work, attention_output, is_known, work_of
from plugnas.nas.cost.tables import aten


@dataclass(frozen=True)
class Counts:
    """What one forward of a module costs, at the batch size of its input.

    ``memory`` is the peak of live activations in bytes, the input included, parameters left out;
    workspaces inside an operator are not seen. ``memory_2`` and ``memory_1`` are the same peak
    where each real number takes 2 bytes, or 1; ``weights_4``, ``weights_2`` and ``weights_1`` the
    bytes of what a device keeps of parameters and buffers. ``operators`` splits macs and
    elementwise by operator.
    """

    params: int = 0
    macs: int = 0
    elementwise: int = 0
    memory: int = 0
    memory_2: int = 0
    memory_1: int = 0
    weights_4: int = 0
    weights_2: int = 0
    weights_1: int = 0
    operators: Mapping[str, Work] = field(default_factory=dict, compare=False)

    @property
    def flops(self) -> int:
        """Two per multiply-accumulate."""
        return 2 * self.macs

    def ram(self, dtype: str) -> int:
        """Return the peak of live activations, in bytes, where real numbers are of this dtype."""
        return (self.memory, self.memory_2, self.memory_1)[_WIDTHS.index(WIDTHS[dtype])]

    def flash(self, dtype: str) -> int:
        """Return the bytes of the weights in this dtype; see ``weights_of``."""
        return (self.weights_4, self.weights_2, self.weights_1)[_WIDTHS.index(WIDTHS[dtype])]


WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes of a real number by its dtype on the device."""
_WIDTHS = (4, 2, 1)


def weights_of(module: nn.Module, width: int) -> int:
    """Return the bytes that a device keeps of a module's parameters and buffers.

    Each real number takes ``width`` bytes; of int8 that is so for weights of two or more axes,
    while biases, norms and all else of one axis keep 4 bytes, as static quantisation leaves them.
    Whole numbers keep their own size; how many batches a norm has seen is not kept.
    """
    kept: dict[int, Tensor] = {id(p): p for p in module.parameters()}
    kept |= {id(b): b for n, b in module.named_buffers() if not n.endswith("num_batches_tracked")}
    total = 0
    for tensor in kept.values():
        if not (tensor.is_floating_point() or tensor.is_complex()):
            total += tensor.numel() * tensor.element_size()
        else:
            real = tensor.numel() * (2 if tensor.is_complex() else 1)
            total += real * (4 if width == 1 and tensor.dim() < 2 else width)
    return total


def count(module: nn.Module, *inputs: Tensor, **kwargs: Any) -> Counts:
    """Run ``module`` once in eval mode and return what it cost.

    The module is counted as it is: pass ``modules.fuse(module)`` for the deploy form. Module and
    inputs may be on the meta device.

    Raises:
        UncountedOperatorError: an operator that does arithmetic has no rule.
    """
    parameters = list(module.parameters())
    training = {m: m.training for m in module.modules()}
    counter = _Counter([*parameters, *module.buffers()], tree_leaves((inputs, kwargs)))
    module.eval()
    try:
        with torch.inference_mode(), _without_fast_path(), counter.watch_calls(), counter:
            module(*inputs, **kwargs)
    finally:
        for submodule, mode in training.items():
            submodule.training = mode
    return Counts(
        params=sum(p.numel() for p in parameters),
        macs=sum(work.macs for work in counter.work.values()),
        elementwise=sum(work.elementwise for work in counter.work.values()),
        memory=counter.peaks[0],
        memory_2=counter.peaks[1],
        memory_1=counter.peaks[2],
        weights_4=weights_of(module, 4),
        weights_2=weights_of(module, 2),
        weights_1=weights_of(module, 1),
        operators=counter.work,
    )


@contextmanager
def _without_fast_path() -> Iterator[None]:
    """nn.MultiheadAttention's fused path would hide its products from the dispatcher."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


class _Counter(TorchDispatchMode):
    """Sums the work of every operator and follows the storages that are alive.

    Under inference mode the dispatcher shows composite operators whole: one with a rule is counted
    as it stands (attention, LSTM), which makes the count the same on every device; any other is
    taken apart.
    """

    def __init__(self, owned: list[Tensor], inputs: list[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work: dict[str, Work] = {}
        self.peaks = [0, 0, 0]  # with real numbers of 4, 2 and 1 bytes
        self._owned = {tensor.untyped_storage()._cdata for tensor in owned}
        self._alive: dict[int, tuple[weakref.ref[Any], list[int]]] = {}
        self._products: dict[int, tuple[torch.Size, tuple[set[int], ...], int]] = {}
        self._bytes = [0, 0, 0]
        self._hold(inputs)

    def __torch_dispatch__(
        self,
        operator: OpOverload,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if not is_known(operator):
            with self:
                out = operator.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        if operator.overloadpacket is aten.scaled_dot_product_attention:
            out = attention_output(*args, **kwargs)
        else:
            out = operator(*args, **kwargs)
        self._hold(tree_leaves(out))
        try:
            work = work_of(operator, args, kwargs, out)
        except KeyError:
            raise UncountedOperatorError(
                f"every operator that does arithmetic needs a counting rule, but `{operator}` has "
                "none; register one with "
                f"@plugnas.nas.cost.rule(torch.ops.{operator.overloadpacket})"
            ) from None
        self._add(operator, self._contraction(operator, args, kwargs, out, work))
        return out

    def _add(self, operator: OpOverload, work: Work) -> None:
        if any(work):
            name = str(operator.overloadpacket)
            macs, elementwise = self.work.get(name, Work())
            self.work[name] = Work(macs + work.macs, elementwise + work.elementwise)

    def _contraction(
        self,
        operator: OpOverload,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
        work: Work,
    ) -> Work:
        """A sum over a product just formed is a contraction: one MAC per multiplication.

        The multiplication, counted as elementwise when it ran, is taken back. The sum must run over
        an axis along which both factors vary (a gated map contracts nothing) and stand in the same
        ``forward`` with no submodule called in between, so that a part counts the same alone as in
        a network.
        """
        packet = operator.overloadpacket
        if packet is aten.mul and all(isinstance(a, Tensor) and a.numel() > 1 for a in args):
            varying = tuple(_varying_axes(factor, out.dim()) for factor in args)
            self._products[out.untyped_storage()._cdata] = (out.shape, varying, work.elementwise)
        elif packet is aten.sum:
            product = self._products.pop(args[0].untyped_storage()._cdata, None)
            dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if product and _contracts(args[0], dims, product[0], product[1]):
                self._add(aten.mul.Tensor, Work(elementwise=-product[2]))
                return Work(macs=args[0].numel() * (4 if out.is_complex() else 1))
        return work

    @contextmanager
    def watch_calls(self) -> Iterator[None]:
        """Forget the products at the border of every module."""
        hooks = torch.nn.modules.module
        handles = [
            hooks.register_module_forward_pre_hook(lambda *_: self._products.clear()),
            hooks.register_module_forward_hook(lambda *_: self._products.clear()),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hold(self, tensors: list[Any]) -> None:
        """Count the bytes of new storages, until they are freed."""
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in self._owned or key in self._alive:
                continue
            sizes = _sizes(tensor, storage.nbytes())
            self._alive[key] = (weakref.ref(storage, partial(self._release, key)), sizes)
            self._bytes = [held + size for held, size in zip(self._bytes, sizes, strict=True)]
        self.peaks = [max(both) for both in zip(self.peaks, self._bytes, strict=True)]

    def _release(self, key: int, _: weakref.ref[Any]) -> None:
        sizes = self._alive.pop(key)[1]
        self._bytes = [held - size for held, size in zip(self._bytes, sizes, strict=True)]
        self._products.pop(key, None)


def _sizes(tensor: Tensor, size: int) -> list[int]:
    """The bytes of a storage as it is, and with real numbers of 2 bytes and of 1."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return [size, size, size]
    real = tensor.element_size() // (2 if tensor.is_complex() else 1)
    return [size, *(size * width // real for width in (2, 1))]


def _varying_axes(factor: Tensor, dims: int) -> set[int]:
    """The axes of the product along which a factor is not broadcast."""
    offset = dims - factor.dim()
    return {
        offset + axis
        for axis in range(factor.dim())
        if factor.shape[axis] > 1 and factor.stride(axis) != 0
    }


def _contracts(x: Tensor, dims: Any, shape: torch.Size, varying: tuple[set[int], ...]) -> bool:
    """Whether reducing x over dims (None: all) sums a product over an axis of both factors."""
    if x.shape != shape:  # a view stands between: the axes are no longer known
        return x.numel() == shape.numel()
    listed = [dims] if isinstance(dims, int) else list(dims or range(x.dim()))
    reduced = {axis % max(x.dim(), 1) for axis in listed}
    return all(axes & reduced for axes in varying)
