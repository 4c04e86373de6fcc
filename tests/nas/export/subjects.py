"""Small trained-looking networks to export: random weights, real digits."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.nas.export import Provenance, Subject
from plugnas.space import Network, SearchSpace, parts_of

CLASSES = tuple("0123456789")
MEAN, STD = (0.305,), (0.376,)


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """The real digits as bytes (N, 8, 8, 1), and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.from_numpy(found.images * (255 / 16)).round().to(torch.uint8)
    return images[..., None].clone(), torch.from_numpy(found.target)


def values(*, blocks: int = 2, **slots: Any) -> dict[str, int | str]:
    """The values of a network of one or two small blocks with the given modules."""
    config: dict[str, Any] = {
        "stem": {"width": 8},
        "stages": [{"width": 8, "depth": 1}, {"width": 16, "depth": 1, "stride": 2}][:blocks],
        "slots": {"operator": ["conv"], "attention": ["none"], "fusion": ["add"]},
        "context": slots.pop("context", ["none"]),
        "pooling": slots.pop("pooling", ["gap"]),
    }
    config["slots"]["activation"] = {"choices": ["relu"], "scope": "network"}
    config["slots"].update(slots)
    space = SearchSpace.from_config(config, (1, 8, 8), 10)
    return dict(first(space))


def first(space: SearchSpace) -> Mapping[str, Any]:
    """The values of some architecture of a space."""
    import numpy as np

    return space.sample(np.random.default_rng(0)).values


def alive(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give norms statistics and every zero-initialised weight a value, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if float(parameter.detach().std(correction=0)) == 0.0:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
            if name.endswith("running_var"):
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return network.eval()


def subject(
    found: Mapping[str, int | str] | None = None, identity: str = "0123456789ab"
) -> Subject:
    """A subject of the given values, with weights of a fixed seed."""
    found = found or values()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = alive(Network(parts_of(found)))
    images, labels = digits()
    return Subject(
        id=identity,
        values=found,
        network=network,
        input_shape=(1, 8, 8),
        classes=CLASSES,
        mean=MEAN,
        std=STD,
        images=images[:8],
        calibration=images[100:228],
        provenance=Provenance(
            source="proxy",
            note="THE PROXY'S",
            seed=0,
            metric="accuracy",
            value=0.9,
            measured_on="validation",
            mean=0.9,
            recipe={"epochs": 2},
        ),
        costs={"flops": 1e6, "macs": 5e5, "params": 1e4, "memory": 4096},
        held_out=images[1000:1200],
        labels=labels[1000:1200],
    )
