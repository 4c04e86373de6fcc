"""Stochastic gradient descent in one fused call per step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


class FusedSGD:
    """SGD with Nesterov's momentum, by torch's own fused kernel.

    Biases, norms and other vectors do not decay. ``torch.optim.SGD`` computes the same, but loads
    torch's compiler with its first instance: a second and 150 MB in every worker.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        momentum: float,
        decay: float,
        slow: Iterable[nn.Parameter] = (),
    ) -> None:
        """Make an optimiser.

        Args:
            parameters: those that may learn.
            momentum: Nesterov's.
            decay: weight decay.
            slow: those whose rate is a share of the others'.
        """
        self._momentum = momentum
        learned = [p for p in parameters if p.requires_grad]
        own = {id(p) for p in slow}
        fast = [p for p in learned if id(p) not in own]
        rest = [p for p in learned if id(p) in own]
        halves = [fast, rest] if rest else [fast]
        groups = [
            pair
            for half in halves
            for pair in (
                (decay, [p for p in half if p.ndim > 1]),
                (0.0, [p for p in half if p.ndim <= 1]),
            )
        ]
        # Zeros give the first step the gradient itself as momentum, as torch's first step does.
        self.groups = [(wd, group, [torch.zeros_like(p) for p in group]) for wd, group in groups]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for _, group, _ in self.groups:
            for parameter in group:
                parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float, share: float = 1.0) -> None:
        """Move the parameters that have a gradient; the slow ones at a ``share`` of the rate."""
        for number, (decay, group, buffers) in enumerate(self.groups):
            own = rate if number < 2 else share * rate
            if own == 0:
                continue
            moved = [
                (p, p.grad, b) for p, b in zip(group, buffers, strict=True) if p.grad is not None
            ]
            if not moved:
                continue
            parameters, gradients, momenta = (list(column) for column in zip(*moved, strict=True))
            sgd(
                parameters,
                gradients,
                momenta,
                fused=True,
                foreach=False,
                weight_decay=decay,
                momentum=self._momentum,
                lr=own,
                dampening=0.0,
                nesterov=self._momentum > 0,
                maximize=False,
            )

    def state(self) -> list[Any]:
        """Return the momenta, for ``restore``."""
        return [buffers for _, _, buffers in self.groups]

    def restore(self, state: list[list[Tensor]]) -> None:
        """Go on with the momenta that ``state`` returned."""
        for (_, _, buffers), saved in zip(self.groups, state, strict=True):
            for buffer, values in zip(buffers, saved, strict=True):
                buffer.copy_(values)
