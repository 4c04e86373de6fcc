"""Scores of untrained networks, from one batch: synflow, NASWOT, Jacobian covariance, grad norm,
ZiCo, SWAP and MeCo.

Higher is better in all of them. Each works on a copy, so that the network stays as it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.proxy.newer_scores import meco, swap, zico
from plugnas.nas.tasks.outputs import answer_of

_aten = torch.ops.aten
_RECTIFIERS = (
    _aten.relu, _aten.relu_, _aten.hardtanh, _aten.hardtanh_, _aten.leaky_relu, _aten.leaky_relu_,
    _aten.silu, _aten.silu_, _aten.gelu, _aten.gelu_, _aten.hardswish, _aten.hardswish_,
    _aten.elu, _aten.elu_, _aten.mish, _aten.mish_, _aten._prelu_kernel, _aten.relu6,
)  # fmt: skip
"""Activations that pass values of one sign and block or weaken the others."""


class ZeroCostError(PlugnasError):
    """A score that does not exist, or a network that it cannot judge."""


Loss = Callable[[Tensor, Tensor], Tensor]


def zero_cost(
    name: str, network: nn.Module, images: Tensor, labels: Tensor, loss: Loss = F.cross_entropy
) -> float:
    """Return the named score of a network on images (B, C, H, W) with labels (B,) or masks.

    Args:
        name: of the score.
        network: untrained; returns a tensor, or a dict of which ``out`` is the answer.
        images: a batch (B, C, H, W) as the network takes it.
        labels: one for each image, or a mask.
        loss: mean loss of outputs and labels, of which ``grad_norm`` and ``zico`` take the
            gradient.

    Raises:
        ZeroCostError: no such score.
    """
    if name not in SCORES:
        raise ZeroCostError(
            f"no zero-cost score `{name}`{did_you_mean(name, SCORES)} "
            f"(there are: {', '.join(SCORES)})"
        )
    if name in ("grad_norm", "zico"):
        return {"grad_norm": grad_norm, "zico": _zico}[name](network, images, labels, loss)
    return SCORES[name](network, images, labels)


def synflow(network: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    """Return the synaptic flow (Tanaka et al., 2020): sum of |parameter x gradient|.

    Parameters are replaced by their absolute values, the input by ones, and the objective is the
    sum of outputs; normalisation keeps to its stored statistics, which at the start change nothing.
    Of the images only the shape counts. In float64, for the product over layers soon leaves the
    range of float32; still infinite or 0 in a network that is too deep.
    """
    twin = _twin(network, training=False).double()
    with torch.no_grad():
        for p in twin.parameters():
            p.abs_()
    parameters = [p for p in twin.parameters() if p.requires_grad]
    ones = torch.ones_like(images[:1], dtype=torch.float64)
    gradients = torch.autograd.grad(answer_of(twin(ones)).sum(), parameters, allow_unused=True)
    flows = [
        float((p.detach() * g).abs().sum())
        for p, g in zip(parameters, gradients, strict=True)
        if g is not None
    ]
    return float(sum(flows))


def naswot(network: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    """Return NASWOT (Mellor et al., 2021): log |det K| of the kernel of activation patterns.

    Each image has a binary code, which of all units are above 0 at the input of an activation;
    K counts for two images the units on which they agree. Images with one code make K singular and
    the score minus infinity. In training mode, as published.

    Raises:
        ZeroCostError: the network has no activation that rectifies.
    """
    twin = _twin(network, training=True)
    with torch.no_grad(), _Patterns(len(images)) as patterns:
        twin(images)
    if patterns.kernel is None:
        raise ZeroCostError(
            "naswot compares activation patterns, but this network has no ReLU-like activation; "
            "use another score, such as synflow"
        )
    sign, logarithm = torch.linalg.slogdet(patterns.kernel.double())
    return float(logarithm) if sign != 0 else -math.inf


class _Patterns(TorchDispatchMode):
    """Sums, over all activations that run, on how many units two images agree."""

    def __init__(self, count: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = count
        self.kernel: Tensor | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.overloadpacket in _RECTIFIERS and args[0].shape[:1] == (self.count,):
            codes = (args[0].detach().reshape(self.count, -1) > 0).to(torch.float32)
            agreed = codes @ codes.T + (1 - codes) @ (1 - codes).T
            self.kernel = agreed if self.kernel is None else self.kernel + agreed
        return func(*args, **(kwargs or {}))


def jacobian_covariance(network: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    """Return the Jacobian covariance score (Mellor et al., 2020; Abdelfattah et al., 2021).

    With v the eigenvalues of the correlation matrix of the images' input gradients (of the sum of
    outputs): minus the sum of log(v + k) + 1 / (v + k), k = 1e-5. In training mode, as published.
    """
    twin = _twin(network, training=True)
    inputs = images.detach().clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(answer_of(twin(inputs)).sum(), inputs)
    correlation = torch.corrcoef(jacobian.reshape(len(images), -1).double())
    eigenvalues = torch.linalg.eigvalsh(correlation) + 1e-5
    return float(-(eigenvalues.log() + 1 / eigenvalues).sum())


def grad_norm(
    network: nn.Module, images: Tensor, labels: Tensor, loss: Loss = F.cross_entropy
) -> float:
    """Return the gradient norm (Abdelfattah et al., 2021): the sum over weights of their L2 norms.

    The gradients are those of the mean cross entropy of one batch, or of another ``loss``. Weights
    are the parameters with at least two dimensions; biases and normalisation are left out, as in
    the publication.

    Args:
        network: the untrained network.
        images: (B, C, H, W).
        labels: of the images.
        loss: loss(outputs, labels) -> scalar.
    """
    twin = _twin(network, training=True)
    weights = [p for p in twin.parameters() if p.requires_grad and p.dim() > 1]
    value = loss(answer_of(twin(images)), labels)
    gradients = torch.autograd.grad(value, weights, allow_unused=True)
    return float(sum(float(g.norm()) for g in gradients if g is not None))


def _zico(
    network: nn.Module, images: Tensor, labels: Tensor, loss: Loss = F.cross_entropy
) -> float:
    return zico(_twin(network, training=True), images, labels, loss)


def _swap(network: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    return swap(_twin(network, training=True), images, _RECTIFIERS)


def _meco(network: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    return meco(_twin(network, training=True), images)


def _twin(network: nn.Module, *, training: bool) -> nn.Module:
    """Return a copy to experiment on, so that the network stays as it is."""
    return copy.deepcopy(network).train(training)


SCORES: dict[str, Callable[[nn.Module, Tensor, Tensor], float]] = {
    "synflow": synflow,
    "naswot": naswot,
    "jacobian_covariance": jacobian_covariance,
    "grad_norm": grad_norm,
    "zico": _zico,
    "swap": _swap,
    "meco": _meco,
}

__all__ = [
    "SCORES",
    "ZeroCostError",
    "grad_norm",
    "jacobian_covariance",
    "naswot",
    "synflow",
    "zero_cost",
]
