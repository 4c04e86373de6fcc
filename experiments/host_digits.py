"""The quick-start host: a small ResNet for digits, and the script that made its weights.

python experiments/host_digits.py        trains it and writes experiments/host_digits.safetensors
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHTS = Path(__file__).with_suffix(".safetensors")


class Block(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))), the shortcut a pointwise convolution."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride > 1 or before != width:
            self.shortcut.append(nn.Conv2d(before, width, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


class SmallResNet(nn.Module):
    """A stem and three stages of two blocks, 8 to 24 channels: 31 thousand weights."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block(8, 8, 1), Block(8, 8, 1))
        self.layer2 = nn.Sequential(Block(8, 16, 2), Block(16, 16, 1))
        self.layer3 = nn.Sequential(Block(16, 24, 2), Block(24, 24, 1))
        self.fc = nn.Linear(24, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        return self.fc(y.mean((2, 3)))


def main() -> None:
    """Train on the images that a search trains on, none of the test images; write the weights."""
    from safetensors.torch import save_file

    from plugnas.nas.data import load, parse
    from plugnas.nas.proxy import train
    from plugnas.nas.proxy.defaults import confirmation_of

    dataset = load(parse("digits"))
    images = len(dataset.train) + len(dataset.validation)
    training = train(SmallResNet, dataset, confirmation_of(dataset.input_shape, images), seed=0)
    state = training.network.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, WEIGHTS)
    count = sum(p.numel() for p in training.network.parameters())
    print(f"{count:,} weights, {training.accuracy:.4f} on the validation images: {WEIGHTS}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
