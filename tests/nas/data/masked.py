"""Small pictures with masks, written as files."""

import numpy as np
import PIL.Image

PALETTE = ((128, 64, 128), (0, 0, 192), (0, 0, 0))


def mask_of(number, size=(8, 6), classes=2):
    """Return labels (H, W): the left columns are class 0, the rest 1 + number % (classes - 1)."""
    width, height = size
    labels = np.zeros((height, width), np.uint8)
    labels[:, width // 2 :] = 1 + number % (classes - 1)
    return labels


def write(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def pairs(root, places, count=6, size=(8, 6), classes=2):
    """Write images of which red tells the number, and their masks, to (image, mask) folders."""
    for images, masks in places:
        for number in range(count):
            name = f"{number:03}.png"
            write(PIL.Image.new("RGB", size, (number, 100, 200)), root / images / name)
            labels = mask_of(number, size, classes)
            write(PIL.Image.fromarray(labels), root / masks / name)
    return root


def in_colour(path, palette=PALETTE):
    """Rewrite a mask in the colours of a palette."""
    labels = np.asarray(PIL.Image.open(path))
    PIL.Image.fromarray(np.array(palette, np.uint8)[labels]).save(path)
