"""What a page shows of classes in masks: the IoU of each, and some images with their answers."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plugnas.nas.data import IGNORED
from plugnas.nas.front.member import class_iou_of
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.examples import read_examples
from plugnas.nas.run.view import RunView
from plugnas.nas.tasks.pictures import png, read

_GOLDEN = 0.618034  # of the circle of hues: neighbours in the list differ, however many there are


def colours(count: int) -> list[tuple[int, int, int]]:
    """Return a colour for each class."""
    found = []
    for number in range(count):
        hue, light = (number * _GOLDEN) % 1, (0.55, 0.42, 0.68)[number % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, light, 0.75)
        found.append((round(255 * red), round(255 * green), round(255 * blue)))
    return found


def examples_of(view: RunView) -> dict[str, Any] | None:
    """Return the validation images that are shown, their masks, and the classes' colours.

    None where the run keeps none.
    """
    kept = read_examples(view.run.examples)
    if kept is None:
        return None
    images, masks, classes = kept
    palette = colours(len(classes))
    return {
        "images": [f"data:image/png;base64,{png(_picture(image))}" for image in images],
        "truth": [_coloured(mask, palette) for mask in masks],
        "classes": [
            {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*colour)}
            for name, colour in zip(classes, palette, strict=True)
        ],
    }


def answers_of(measurements: Sequence[Measurement], rung: int, *, shown: bool) -> dict[str, Any]:
    """Return a network's IoU by class, mean over its seeds, and what it answered if ``shown``."""
    top = [m for m in measurements if m.ok and m.rung == rung and "class_iou" in m.extra]
    if not top:
        return {}
    found: dict[str, Any] = {"class_iou": class_iou_of(top)}
    texts = top[0].extra.get("answers", [])
    if shown and texts:
        palette = colours(len(found["class_iou"]))
        found["answers"] = [_coloured(read(str(text)), palette) for text in texts]
    return found


def _picture(image: NDArray[np.uint8]) -> PIL.Image.Image:
    if image.shape[-1] in (1, 3):
        return PIL.Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return PIL.Image.fromarray(image[..., 0])  # of other channels the first


def _coloured(labels: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]]) -> str:
    """Return labels as a picture in their colours; what counts nowhere is transparent."""
    table = np.zeros((256, 4), np.uint8)
    table[: len(palette), :3] = palette
    table[: len(palette), 3] = 255
    table[IGNORED] = 0
    return f"data:image/png;base64,{png(PIL.Image.fromarray(table[labels]))}"


__all__ = ["answers_of", "colours", "examples_of"]
