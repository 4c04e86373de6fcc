"""Three scores of untrained networks published since 2023: ZiCo, SWAP, MeCo. Higher is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from plugnas.nas.tasks.outputs import answer_of

_aten = torch.ops.aten
_CONVOLUTIONS = (_aten.convolution, _aten._convolution, _aten.mkldnn_convolution)
_BITS = 32  # images of which a unit's pattern tells
_CHANNELS = 256  # of a map, at most, whose correlations are worked out


def zico(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> float:
    """Return ZiCo (Li et al., 2023): how large gradients are for how much they vary.

    The batch is cut in two halves. Of each weight the mean and the standard deviation of the
    absolute gradient are taken over the halves; the score is the sum over layers of the logarithm
    of the sum of mean / deviation. Layers are the parameters of two dimensions and more; weights
    whose gradient does not vary are left out, as in the publication. In training mode.

    Args:
        network: the untrained network, which is left in training mode with gradients.
        images: (B, C, H, W), two at least.
        labels: of the images.
        loss: loss(outputs, labels) -> scalar.
    """
    weights = [p for p in network.parameters() if p.requires_grad and p.dim() > 1]
    halves = zip(images.chunk(2), labels.chunk(2), strict=True)
    told = [
        torch.autograd.grad(loss(answer_of(network(x)), y), weights, allow_unused=True)
        for x, y in halves
    ]
    total = 0.0
    for gradients in zip(*told, strict=True):
        if any(g is None for g in gradients):
            continue
        sizes = torch.stack([g.abs().double() for g in gradients])
        deviation = sizes.std(dim=0, correction=0)
        varies = deviation > 0
        if varies.any():
            total += float((sizes.mean(dim=0)[varies] / deviation[varies]).sum().log())
    return total


class _Watched(TorchDispatchMode):
    """Hands every call of some operators to a function: (arguments, result)."""

    def __init__(
        self, operators: Sequence[Any], seen: Callable[[tuple[Any, ...], Any], None]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._operators, self._seen = operators, seen

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in self._operators:
            self._seen(args, result)
        return result


def swap(network: nn.Module, images: Tensor, rectifiers: Sequence[Any]) -> float:
    """Return the SWAP score (Peng et al., 2024): how many activation patterns of units differ.

    A unit's pattern says for which images it is above 0 at the input of an activation; the score
    is the number of distinct patterns of all units. In training mode.

    Args:
        network: the untrained network.
        images: (B, C, H, W); the first 32 count.
        rectifiers: the operators that count as activations.
    """
    images = images[:_BITS]
    count = len(images)
    powers = 2 ** torch.arange(count, dtype=torch.int64, device=images.device)
    patterns: list[Tensor] = []

    def seen(arguments: tuple[Any, ...], _: Any) -> None:
        units = arguments[0]
        if units.shape[:1] == (count,):
            codes = (units.detach().reshape(count, -1) > 0).to(torch.int64)
            patterns.append((codes * powers[:, None]).sum(dim=0).unique())

    with torch.no_grad(), _Watched(rectifiers, seen):
        network(images)
    return float(len(torch.cat(patterns).unique())) if patterns else 0.0


def meco(network: nn.Module, images: Tensor) -> float:
    """Return MeCo (Jiang et al., 2023): how little the channels of a layer repeat each other.

    Of one image, the least eigenvalue of the correlation matrix between the channels of every
    convolution's output, summed over the convolutions; of more than 256 channels the first 256
    count. Maps of one pixel and channels that do not vary have no correlation and are left out.

    Args:
        network: the untrained network.
        images: (B, C, H, W); the first counts, the others are there for the norms.
    """
    total = 0.0

    def seen(_: tuple[Any, ...], result: Any) -> None:
        nonlocal total
        if not isinstance(result, Tensor) or result.dim() != 4 or len(result) == 0:
            return
        maps = result[0, :_CHANNELS].detach().flatten(1).double()
        if maps.shape[1] > 1:
            maps = maps[maps.std(dim=1) > 0]
        if maps.shape[0] > 1 and maps.shape[1] > 1 and bool(torch.isfinite(maps).all()):
            total += float(torch.linalg.eigvalsh(torch.corrcoef(maps))[0])

    with torch.no_grad(), _Watched(_CONVOLUTIONS, seen):
        network(images)
    return total


__all__ = ["meco", "swap", "zico"]
