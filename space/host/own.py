"""What of a plugged network is the host's own, and what began fresh and has to learn."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from plugnas.space.host.fresh import is_fresh
from plugnas.space.host.plugging import PLUGS, Plugs, gates
from plugnas.space.host.plugs import Replacement


def fresh_modules(network: nn.Module) -> Iterator[nn.Module]:
    """Yield what was plugged in, and the classifiers that were replaced."""
    held = getattr(network, PLUGS, None)
    if isinstance(held, Plugs):
        yield from held.values()
    for module in network.modules():
        if isinstance(module, Replacement) or is_fresh(module):
            yield module


def own_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the host itself, in order."""
    fresh = {id(p) for module in fresh_modules(network) for p in module.parameters()}
    return [p for p in network.parameters() if id(p) not in fresh]


def host_in_eval(network: nn.Module) -> None:
    """Put the host into eval mode, its norms and dropout too; what is fresh into training mode."""
    network.eval()
    for module in fresh_modules(network):
        module.train()


def gates_told(network: nn.Module) -> dict[str, dict[str, list[float]]]:
    """Return how far the gates of a plugged network are from 0: [mean, largest] of |g|.

    By the name of the plug, under the key ``gates``; nothing where there is none.
    """
    found = {
        name: [float(g.detach().abs().mean()), float(g.detach().abs().max())]
        for name, g in gates(network).items()
    }
    return {"gates": found} if found else {}
