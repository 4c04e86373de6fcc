"""Checks of training: gradients everywhere, and no parameter without effect."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from plugnas.modules._slots import Site
from plugnas.modules.testing._case import Case, scramble
from plugnas.modules.testing._failures import ensure

_DRAWS = 8


def check_training(case: Case, sites: Sequence[Site]) -> None:
    """One sample gives finite gradients at every site, and each parameter moves the output.

    A parameter may have a zero gradient in some draws (behind a ReLU that is off), not in all.
    """
    dead = None
    for seed, site in enumerate(sites):
        module = _backward(case, site, batch=1, seed=seed)
        for name, parameter in module.named_parameters():
            ensure(parameter.grad is not None, f"no gradient reaches {name} at {site}")
            finite = parameter.grad is not None and parameter.grad.isfinite().all()
            ensure(finite, f"the gradient of {name} is not finite at {site}")
        dead = _still(module) if dead is None else dead & _still(module)
    roomy = max(sites, key=lambda s: s.height * s.width)
    for seed in range(len(sites), len(sites) + _DRAWS):
        if not dead:
            return
        dead &= _still(_backward(case, roomy, batch=2, seed=seed))
    ensure(not dead, f"parameters without effect: {sorted(dead or ())}")


def _still(module: nn.Module) -> set[str]:
    return {
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    }


def _backward(case: Case, site: Site, batch: int, seed: int) -> nn.Module:
    """Return the module in train mode after a backward pass of random weights on its output."""
    module = case.build(site)
    scramble(module, seed)
    module.train()
    args = tuple(a.requires_grad_() for a in case.inputs(site, batch, seed=seed))
    y = case.run(module, site, args)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))
    (y * weight).sum().backward()
    gradient = args[0].grad
    ensure(gradient is not None, f"no gradient reaches the input at {site}")
    ensure(gradient is not None and gradient.isfinite().all(), f"the input's gradient at {site}")
    return module
