"""Makes a small set of images with masks, for a first search with `task: segmentation`.

    python experiments/examples/shapes.py /tmp/shapes

Each image shows a dark disc and a light square on noise; the mask says which pixel is which, and
the edges are void (255). The sides are no multiples of the network's strides.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

HEIGHT, WIDTH = 30, 37
CLASSES = ("ground", "disc", "square")
VOID = 255


def scene(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an image (H, W, 3) and its mask (H, W)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    y, x, radius = rng.uniform(8, 22), rng.uniform(8, 29), rng.uniform(5, 8)
    top, left, side = rng.integers(0, 18), rng.integers(0, 25), rng.integers(8, 12)
    mask[top : top + side, left : left + side] = 2
    distance = np.hypot(rows - y, columns - x)
    mask[distance < radius] = 1
    image = rng.normal(128, 12, (HEIGHT, WIDTH, 3))
    image[mask == 1] -= 60
    image[mask == 2] += 60
    mask[np.abs(distance - radius) < 0.5] = VOID
    return image.clip(0, 255).astype(np.uint8), mask


def write(folder: Path, train: int = 48, validation: int = 16, test: int = 16) -> None:
    """Write images/, masks/ and classes.txt."""
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("val", validation), ("test", test)):
        for kind in ("images", "masks"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, mask = scene(rng)
            PIL.Image.fromarray(image).save(folder / "images" / part / f"{number:03}.png")
            PIL.Image.fromarray(mask).save(folder / "masks" / part / f"{number:03}.png")
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
