"""Images of another size: cropped, padded or stretched to the one that is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torchvision.transforms import v2

from plugnas.nas.data import load, pixels
from plugnas.nas.data.errors import DataError
from plugnas.nas.data.spec import DataSpec, parse
from plugnas.space.typed import ConfigError


def bands(height: int, width: int, *, across: bool) -> PIL.Image.Image:
    """Return thirds of red, green and blue, from left to right or from top to bottom."""
    image = np.zeros((height, width, 3), np.uint8)
    for third in range(3):
        if across:
            image[:, third * width // 3 : (third + 1) * width // 3, third] = 255
        else:
            image[third * height // 3 : (third + 1) * height // 3, :, third] = 255
    return PIL.Image.fromarray(image)


def read(image: PIL.Image.Image, shape: tuple[int, int], mode: str) -> np.ndarray:
    return pixels.to_bytes(image, shape, grey=False, mode=mode)


def test_crop_keeps_the_aspect_and_takes_the_centre() -> None:
    found = read(bands(4, 12, across=True), (4, 4), "crop")
    assert (found == (0, 255, 0)).all()  # green is the third in the middle
    assert (read(bands(12, 4, across=False), (4, 4), "crop") == (0, 255, 0)).all()
    rows = read(bands(6, 12, across=False), (6, 6), "crop")  # half the width, all of the height
    assert (rows[:2] == (255, 0, 0)).all() and (rows[4:] == (0, 0, 255)).all()


def test_pad_keeps_all_of_the_image_in_the_middle_of_black() -> None:
    wide = read(bands(4, 12, across=True), (12, 12), "pad")
    assert (wide[:4] == 0).all() and (wide[8:] == 0).all()
    assert np.array_equal(wide[4:8], np.asarray(bands(4, 12, across=True)))
    high = read(bands(12, 4, across=False), (12, 15), "pad")  # the odd column is on the right
    assert (high[:, :5] == 0).all() and (high[:, 9:] == 0).all()
    assert np.array_equal(high[:, 5:9], np.asarray(bands(12, 4, across=False)))
    half = read(PIL.Image.new("RGB", (24, 8), (9, 9, 9)), (12, 12), "pad")
    assert np.array_equal(np.flatnonzero((half == 9).all((1, 2))), [4, 5, 6, 7])
    grey = pixels.to_bytes(PIL.Image.new("L", (2, 1), 7), (4, 4), grey=True, mode="pad")
    assert grey[..., 0].tolist() == [[0] * 4, [7] * 4, [7] * 4, [0] * 4]
    thread = read(PIL.Image.new("RGB", (900, 1), (5, 5, 5)), (8, 8), "pad")
    assert (thread[3] == 5).all() and thread.sum() == 8 * 3 * 5  # at least one pixel is left of it


def test_stretch_keeps_all_of_the_image_and_changes_its_aspect() -> None:
    found = read(bands(4, 36, across=True), (12, 12), "stretch")
    assert (found == found[:1]).all()
    assert [found[0, x].argmax() for x in (0, 3, 4, 7, 8, 11)] == [0, 0, 1, 1, 2, 2]
    assert (found[:, [1, 5, 9]].max(2) == 255).all()


@pytest.mark.parametrize("size", [(37, 91), (91, 37), (20, 20), (256, 131)])
def test_the_pixels_are_those_of_torchvision(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image = PIL.Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    shape = (32, 40)
    stretched = v2.Resize(shape)(image)
    assert np.array_equal(read(image, shape, "stretch"), np.asarray(stretched))
    top, left, rows, columns = pixels.place_in(size, shape, "pad")
    right, bottom = shape[1] - left - columns, shape[0] - top - rows
    padded = v2.Compose([v2.Resize((rows, columns)), v2.Pad((left, top, right, bottom))])(image)
    assert np.array_equal(read(image, shape, "pad"), np.asarray(padded))


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
def test_mixed_sizes_become_one_and_each_way_is_kept_apart(tmp_path: Path, mode: str) -> None:
    for name in "ab":
        for number, (height, width) in enumerate([(128, 512), (512, 128), (200, 300)]):
            path = tmp_path / "set" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            bands(height, width, across=width > height).save(path)
    source = {"source": str(tmp_path / "set"), "validation": 0.3, "test": 0.3}
    found = load({**source, "resize": {"size": [24, 32], "mode": mode}}, cache=tmp_path / "cache")
    other = load({**source, "resize": {"size": [24, 32]}}, cache=tmp_path / "cache")
    assert found.input_shape == (3, 24, 32) and found.resize == mode
    black = (found.images == 0).all(3).flatten(1).sum(1).tolist()
    assert (black[0], black[1]) == (
        (24 * 32 - 8 * 32, 24 * 32 - 24 * 6) if mode == "pad" else (0, 0)
    )
    assert torch.equal(found.images, other.images) == (mode == "crop")
    assert (found.fingerprint == other.fingerprint) == (mode == "crop")
    short = load({**source, "size": [24, 32]}, cache=tmp_path / "cache")
    assert short.fingerprint == other.fingerprint and short.resize == "crop"


def test_arrays_of_any_channels_follow(tmp_path: Path) -> None:
    images = np.zeros((6, 6, 12, 5), np.uint8)
    images[..., 4] = 50
    np.savez(tmp_path / "set.npz", images=images, labels=[0, 0, 0, 1, 1, 1])
    spec = {"source": str(tmp_path / "set.npz"), "resize": {"size": 12, "mode": "pad"}}
    found = load({**spec, "validation": 0.3, "test": 0.3}, cache=tmp_path).images
    assert found.shape == (6, 12, 12, 5)
    assert (found[:, 3:9, :, 4] == 50).all() and found.sum() == 6 * 6 * 12 * 50


def test_what_cannot_be_meant_is_told(tmp_path: Path) -> None:
    both = {"source": "digits", "size": 8, "resize": {"size": 9}}
    with pytest.raises(
        (ConfigError, DataError), match=r"`size` and `resize` both say a size, 8 and 9"
    ):
        parse(both)
    with pytest.raises((ConfigError, DataError), match="at least 1 pixel, got 0"):
        parse({"source": "digits", "resize": {"size": [0, 4], "mode": "pad"}})
    with pytest.raises(
        ConfigError, match=r"data: resize.mode: `fill` is none of crop, pad, stretch"
    ):
        parse({"source": "digits", "resize": {"size": 8, "mode": "fill"}})
    with pytest.raises(ConfigError, match="size"):
        parse({"source": "digits", "resize": {"mode": "pad"}})
    assert DataSpec(source="digits", size=(4, 5)).mode == "crop"
