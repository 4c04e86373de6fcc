"""He et al.'s ResNet-20 for CIFAR-10 as a host, and what plugs cost it before any training.

    python experiments/host_resnet20.py images.tar.xz resnet20.th > table.md

scores a pretrained ResNet-20 on 250 test images with each attention of the zoo plugged in with
fresh weights, once `plain` (y = m(x)) and once from the `identity` (y = x + g (m(x) - x), g = 0):
after each of the three stages, and in each of the nine residual branches.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))

IMAGES = 250
PLACES = {"after each stage": "layer[1-3]", "in each branch": "layer?.*.bn2"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # with which the weights were trained


class Block(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))); where the width grows x is padded with zeros."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.missing = stride, width - before

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.missing:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.missing // 2, self.missing // 2))
        return F.relu(y + x)


class ResNet20(nn.Module):
    """The ResNet of the CIFAR part of "Deep residual learning" (arXiv:1512.03385), option A.

    Its names are those of the checkpoints in circulation: conv1, bn1, layer1 to layer3, linear.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        return self.linear(y.mean((2, 3)))


# --- the table ----------------------------------------------------------------------------------


def main() -> None:
    """Print the table as Markdown; progress goes to the error stream."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="folder or archive of CIFAR-10's images")
    parser.add_argument("weights", type=Path, help="the checkpoint resnet20-12fca82f.th")
    args = parser.parse_args()
    torch.manual_seed(0)
    network, images, labels = _prepared(args.images, args.weights)
    bare = _accuracy(network, images, labels)
    print(f"ResNet-20 without plugs: {100 * bare:.1f} % of {len(labels)} test images\n")
    head = [f"{place}, {start}" for place in PLACES for start in ("plain", "identity")]
    print(f"| attention | {' | '.join(head)} |\n|---|{'---:|' * len(head)}")
    rows = []
    for key in _keys():
        row = [_plugged(network, images, labels, key, *pair) for pair in _pairs()]
        rows.append(row)
        print(f"| `{key}` | {' | '.join(map(_percent, row))} |", flush=True)
        print(key, len(rows), file=sys.stderr, flush=True)
    print("|", " | ".join(["**median**", *map(_percent, _over(rows, statistics.median))]), "|")
    print("|", " | ".join(["**lowest**", *map(_percent, _over(rows, min))]), "|")
    print("|", " | ".join(["**highest**", *map(_percent, _over(rows, max))]), "|")


def _prepared(images: Path, weights: Path) -> tuple[nn.Module, Tensor, Tensor]:
    from plugnas.nas.data import DataSpec, load
    from plugnas.space.host.weights import load_weights

    network = ResNet20()
    load_weights(network, weights, ("linear",))
    data = load(DataSpec(source=str(images)))
    chosen = data.test[torch.linspace(0, len(data.test) - 1, IMAGES).long()]
    x = data.images[chosen].permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return network.eval(), (x - mean) / std, data.labels[chosen]


def _keys() -> list[str]:
    from plugnas import modules

    return [e.key for e in modules.entries("attention") if e.family != "control"]


def _pairs() -> Iterator[tuple[str, Any]]:
    for pattern in PLACES.values():
        yield pattern, "plain"
        yield pattern, "identity"


def _plugged(
    network: nn.Module, images: Tensor, labels: Tensor, key: str, pattern: str, start: Any
) -> float | None:
    """Return the accuracy with a plug at each site; None where a site refuses the module."""
    import plugnas
    from plugnas.modules import RefusedError

    try:
        plugged = plugnas.plug(
            copy.deepcopy(network), {pattern: key}, input_shape=(3, 32, 32), start=start
        )
    except RefusedError:
        return None
    return _accuracy(plugged, images, labels)


@torch.inference_mode()
def _accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    found = torch.cat([network(x).argmax(1) for x in images.split(50)])
    return float((found == labels).float().mean())


def _over(rows: list[list[float | None]], of: Any) -> list[float | None]:
    columns = ([v for v in column if v is not None] for column in zip(*rows, strict=True))
    return [of(column) for column in columns]


def _percent(value: float | None) -> str:
    return "refused" if value is None else f"{100 * value:.1f}"


if __name__ == "__main__":
    main()
