"""Where the plugs of a host change what it computes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.space.host.plugging import PLUGS, Plugs


@torch.no_grad()
def looks(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return for each plug after a site the mean over channels of |g (m(x) - x)|, (B, H, W).

    That is how much the plug changes the map at each place: of an attention, where it looks and
    raises or damps what it finds; 0 everywhere where its gate is still 0. Plugs that replace
    something, or stand beside an activation, change no map of the host's and have none.

    Args:
        network: a plugged host; it is run in eval mode and left in the mode in which it was.
        images: (B, C, H, W), as the network takes them.
    """
    held = getattr(network, PLUGS, None)
    plugs = dict(held.items()) if isinstance(held, Plugs) else {}
    found: dict[str, Tensor] = {}
    handles = [p.register_forward_hook(partial(_keep, found, n)) for n, p in plugs.items()]
    training = network.training
    try:
        network.eval()(images)
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    return {name: found[name] for name in plugs if name in found}


def _keep(
    found: dict[str, Tensor], name: str, plug: nn.Module, inputs: tuple[Any, ...], output: Tensor
) -> None:
    if len(inputs) == 1:  # a plug beside a module gets that module's input too
        found[name] = (output - inputs[0]).abs().mean(1)
