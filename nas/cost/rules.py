"""What each operator of torch costs: multiply-accumulates and elementwise operations.

The convention, printed beside every figure:

- 1 MAC is one multiply-accumulate; FLOPs are 2 x MACs. Padding taps are counted, biases are not,
  and attention is dense whatever its mask. A transposed convolution costs
  Hin Win k k Cin Cout / groups. A sum over a product just formed is a contraction, and addcmul
  is one multiply-accumulate per element.
- A complex product counts 4 MACs. An FFT of n points counts 5 n log2(n) FLOPs, a real one half.
- Elementwise operations: 1 per output element of a pointwise operator whatever its function, 1 per
  input element of a reduction; the tables below say where an operator does more.
- Moving data (views, copies, padding, gathering, factories) costs nothing.

An operator that stands in none of the tables is an error, never a zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket

from plugnas.nas.cost.tables import MOVES, PER_INPUT, PER_OUTPUT, aten, packets


class Work(NamedTuple):
    """What one call of an operator does."""

    macs: int = 0
    elementwise: int = 0


Rule = Callable[..., Work]  # (*args, out, **kwargs) with the operator's own arguments and output

RULES: dict[OpOverloadPacket | str, Rule] = {}


def rule(*packets: OpOverloadPacket | str) -> Callable[[Rule], Rule]:
    """Register the counting rule of operators, such as ``torch.ops.mylib.my_op``.

    An operator of a library that is slow to import goes by its name, ``"mylib.my_op"``. The rule is
    called as ``rule(*args, out=out, **kwargs)`` with the operator's own arguments and returns
    ``Work(macs, elementwise)``.
    """

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(packets, function))
        return function

    return register


def work_of(operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Work:
    """Return what one call does.

    Args:
        operator: the operator of torch.
        args: its positional arguments.
        kwargs: its named arguments.
        out: what it returned.

    Raises:
        KeyError: the operator does arithmetic, or may do it, and has no rule.
    """
    packet = operator.overloadpacket
    if (own := _rule_of(packet)) is not None:
        return own(*args, out=out, **kwargs)
    if packet in (formulas := _formulas_of_torch()):
        flops = formulas[packet](*args, **kwargs, out_val=out)
        return Work(macs=flops // 2 * (4 if _is_complex(args) else 1))
    if packet in MOVES or operator.is_view:
        return Work()
    if packet in PER_INPUT:
        return Work(elementwise=PER_INPUT[packet] * _first(args).numel())
    result = _first([out])
    if packet in PER_OUTPUT:
        return Work(elementwise=PER_OUTPUT[packet] * result.numel())
    if any(torch.Tag.pointwise in getattr(packet, name).tags for name in packet.overloads()):
        each = 1
        if result.is_complex():  # (a + bi)(c + di) is 4 multiplications and 2 additions
            each = 6 if packet in (aten.mul, aten.div, aten.mul_, aten.div_) else 2
        return Work(elementwise=each * result.numel())
    raise KeyError(operator)


def is_known(operator: OpOverload) -> bool:
    """Whether the operator is counted as it stands, rather than by what it is composed of."""
    packet = operator.overloadpacket
    return (
        _rule_of(packet) is not None
        or packet in _formulas_of_torch()
        or packet in MOVES
        or packet in PER_INPUT
        or packet in PER_OUTPUT
    )


@cache
def _formulas_of_torch() -> Mapping[Any, Callable[..., int]]:
    """Return torch's own counts of FLOPs; their file is slow to import, for it imports triton."""
    from torch.utils.flop_counter import flop_registry

    return flop_registry


def _rule_of(packet: OpOverloadPacket) -> Rule | None:
    return RULES.get(packet) or RULES.get(str(packet))


def _first(values: Sequence[Any]) -> Tensor:
    """The first tensor among values, which may hold lists and tuples."""
    for value in values:
        if isinstance(value, Tensor):
            return value
        if isinstance(value, list | tuple) and value:
            return _first(value)
    raise TypeError("no tensor among the values")


def _is_complex(args: Sequence[Any]) -> bool:
    return any(isinstance(value, Tensor) and value.is_complex() for value in args)


# --- contractions ------------------------------------------------------------------------------
@rule(*packets("mv dot vdot"))
def _vector_product(matrix: Tensor, vector: Tensor, **_: Any) -> Work:
    return Work(macs=matrix.numel() * (4 if matrix.is_complex() else 1))


@rule(*packets("addmv addmv_"))
def _add_matrix_vector(bias: Tensor, matrix: Tensor, vector: Tensor, **_: Any) -> Work:
    return _vector_product(matrix, vector)


@rule(*packets("addcmul addcmul_"))
def _multiply_add(*_: Any, out: Tensor, **__: Any) -> Work:
    """One multiply-accumulate per output; four where numbers are complex."""
    return Work(macs=out.numel() * (4 if out.is_complex() else 1))


@rule(*packets("_int_mm"))
def _integer_product(left: Tensor, right: Tensor, **_: Any) -> Work:
    return Work(macs=left.numel() * right.shape[1])


@rule(*packets("outer ger"))
def _outer(*_: Any, out: Tensor, **__: Any) -> Work:
    return Work(elementwise=out.numel())


@rule(aten.bilinear)
def _bilinear(x: Tensor, z: Tensor, weight: Tensor, *_: Any, **__: Any) -> Work:
    """y_o = x W_o z: x W costs O I J per row, its product with z another O J."""
    outputs, inner, outer = weight.shape
    return Work(macs=x.numel() // inner * outputs * (inner * outer + outer))


@rule(*packets("_cdist_forward _euclidean_dist cdist"))
def _distances(left: Tensor, right: Tensor, *_: Any, out: Tensor, **__: Any) -> Work:
    """A subtract-accumulate per pair and feature counts as a MAC, whatever the norm."""
    return Work(macs=out.numel() * left.shape[-1], elementwise=out.numel())


@rule(*packets("conv_tbc"))
def _conv_tbc(x: Tensor, weight: Tensor, *_: Any, out: Tensor, **__: Any) -> Work:
    return Work(macs=out.shape[0] * out.shape[1] * weight.numel())


def attention_output(query: Tensor, key: Tensor, value: Tensor, *_: Any, **kwargs: Any) -> Tensor:
    """Zeros in the shape and layout that the fused kernels return, on whatever device.

    Attention is not run while counting: which kernel takes it, and so the memory of what follows,
    differs between devices, and its arithmetic is the rule below.
    """
    batch = query.shape[:-2]
    if not kwargs.get("enable_gqa"):
        batch = torch.broadcast_shapes(batch, key.shape[:-2], value.shape[:-2])
    *outer, heads = batch or (1,)
    out = query.new_zeros(*outer, query.shape[-2], heads, value.shape[-1]).transpose(-2, -3)
    return out if batch else out.squeeze(0)


@rule(aten.scaled_dot_product_attention)
def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, out: Tensor, **__: Any) -> Work:
    """Both products, and the softmax between them, as if nothing were masked."""
    scores = out.numel() // out.shape[-1] * key.shape[-2]
    return Work(macs=scores * (query.shape[-1] + value.shape[-1]), elementwise=5 * scores)


@rule("torchvision.deform_conv2d")
def _deform_conv2d(x: Tensor, weight: Tensor, *args: Any, out: Tensor, **_: Any) -> Work:
    """The convolution, and 4 taps (multiply, add) for each value that it samples."""
    batch, _channels, height, width = out.shape
    positions = batch * height * width * weight[0, 0].numel()
    channels = x.shape[1]
    masked = bool(args[-1])
    return Work(
        macs=batch * height * width * weight.numel(),
        elementwise=positions * channels * (8 + masked),
    )


# --- transforms --------------------------------------------------------------------------------
def _fft(points: Tensor, dims: Sequence[int], *, real: bool) -> Work:
    """5 n log2(n) FLOPs for a transform over n points, half of it where one side is real."""
    n = math.prod(points.shape[d] for d in dims)
    flops = 5 * points.numel() * math.log2(n) if n > 1 else 0.0
    return Work(macs=round(flops / (4 if real else 2)))


@rule(aten._fft_c2c)
def _fft_complex(x: Tensor, dim: Sequence[int], *_: Any, **__: Any) -> Work:
    return _fft(x, dim, real=False)


@rule(aten._fft_r2c)
def _fft_from_real(x: Tensor, dim: Sequence[int], *_: Any, **__: Any) -> Work:
    return _fft(x, dim, real=True)


@rule(aten._fft_c2r)
def _fft_to_real(x: Tensor, dim: Sequence[int], *_: Any, out: Tensor, **__: Any) -> Work:
    return _fft(out, dim, real=True)


# --- neighbourhoods ----------------------------------------------------------------------------
@rule(*packets("avg_pool1d avg_pool2d max_pool1d max_pool2d max_pool2d_with_indices"))
def _pool(x: Tensor, kernel: Sequence[int], *_: Any, out: Any, **__: Any) -> Work:
    taps = math.prod(kernel) if len(kernel) > 1 or x.dim() == 3 else kernel[0] ** 2
    return Work(elementwise=_first([out]).numel() * taps)


@rule(*packets("grid_sampler grid_sampler_2d"))
def _grid_sample(x: Tensor, grid: Tensor, mode: int, *_: Any, out: Tensor, **__: Any) -> Work:
    taps = {0: 4, 1: 0, 2: 16}[mode]  # bilinear, nearest, bicubic
    return Work(elementwise=2 * taps * out.numel())


@rule(*packets("sort argsort topk kthvalue median"))
def _sort(x: Tensor, *_: Any, **__: Any) -> Work:
    return Work(elementwise=x.numel() * max(1, math.ceil(math.log2(max(x.numel(), 2)))))


# --- recurrences -------------------------------------------------------------------------------
def _recurrence(x: Tensor, out: Any, weights: Sequence[Tensor], *, gate_work: int) -> Work:
    """Each weight matrix is applied at each step of each sequence."""
    steps = x.numel() // x.shape[-1]  # x is (T, B, C) or (B, T, C)
    matrices = [w for w in weights if w.dim() == 2]
    hidden = sum(w.shape[1] for w in matrices[1::2])  # W_hh of each layer and direction
    return Work(steps * sum(w.numel() for w in matrices), steps * hidden * gate_work)


@rule(aten.lstm)
def _lstm(x: Tensor, states: Any, weights: Sequence[Tensor], *_: Any, out: Any, **__: Any) -> Work:
    return _recurrence(x, out, weights, gate_work=13)


@rule(aten.gru)
def _gru(x: Tensor, state: Any, weights: Sequence[Tensor], *_: Any, out: Any, **__: Any) -> Work:
    return _recurrence(x, out, weights, gate_work=12)


@rule(aten.rnn_tanh, aten.rnn_relu)
def _rnn(x: Tensor, state: Any, weights: Sequence[Tensor], *_: Any, out: Any, **__: Any) -> Work:
    return _recurrence(x, out, weights, gate_work=2)
