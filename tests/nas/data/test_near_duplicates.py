"""Copies of one picture in two parts are found and named; pictures of one kind are no copies."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import pytest
from sklearn.datasets import load_digits

from plugnas.nas.data import load
from plugnas.nas.data.near_duplicates import COLUMNS, ROWS, near_duplicates, small_copies
from tests.nas.data.pictures import folder_of

SIZE = (60, 48)


def photograph(seed: int) -> PIL.Image.Image:
    """Smooth in colour, as photographs are, with an edge."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    image = PIL.Image.fromarray(coarse).resize(SIZE, PIL.Image.BICUBIC)
    image.paste((20, 20, 30), (int(rng.integers(40)), int(rng.integers(30)), 58, 46))
    return image


def copied(tmp_path: Path, change: Callable[[PIL.Image.Image], PIL.Image.Image], **options: int):
    """Eight pictures of each class; the fourth of each stands in validation too, changed."""
    for label, name in enumerate(("cat", "dog")):
        for part, numbers in (("train", range(8)), ("val", range(8, 12)), ("test", range(12, 14))):
            place = tmp_path / "set" / part / name
            place.mkdir(parents=True)
            for number in numbers:
                photograph(100 * label + number).save(place / f"{number}.png")
        copy = tmp_path / "set" / "val" / name / ("copy.jpg" if options else "copy.png")
        change(photograph(100 * label + 3)).save(copy, **options)
    source = {"source": str(tmp_path / "set"), "resize": {"size": [48, 60], "mode": "stretch"}}
    return load(source, cache=tmp_path / "cache")


def told(dataset) -> list[str]:
    return [note for note in dataset.notes if "look almost like" in note]


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda image: image, {"quality": 40}),
        (lambda image: image.resize((30, 24), PIL.Image.BILINEAR), {}),
        (lambda image: image.resize((91, 73), PIL.Image.LANCZOS), {"quality": 85}),
        (lambda image: PIL.ImageEnhance.Brightness(image).enhance(1.08), {}),
    ],
    ids=["jpeg", "half the size", "larger", "brighter"],
)
def test_a_copy_is_found_and_named(tmp_path, change, options):
    (note,) = told(copied(tmp_path, change, **options))
    ending = "jpg" if options else "png"
    assert note.startswith(
        "2 of 10 validation images look almost like a training image ("
        f"val/cat/copy.{ending} like train/cat/3.png; val/dog/copy.{ending} like train/dog/3.png):"
    )


def test_an_equal_picture_is_told_once(tmp_path):
    dataset = copied(tmp_path, lambda image: image)
    assert told(dataset) == []
    assert any(n.startswith("2 of 10 validation images are also among") for n in dataset.notes)


def test_another_picture_is_none(tmp_path):
    dataset = copied(tmp_path, lambda image: image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT))
    assert told(dataset) == []


def test_digits_of_one_kind_are_no_copies():
    """Eights of one hand are as near to each other as anything that is no copy."""
    images = np.rint(load_digits().images * 255 / 16).astype(np.uint8)[..., None]
    copies, rows = small_copies(np.stack(images)), np.arange(len(images))
    for part in range(3):
        of = rows[part::3]
        assert near_duplicates(copies, of, np.setdiff1d(rows, of)) == []


def test_plain_and_noisy_pictures_are_no_copies(tmp_path):
    root = folder_of(tmp_path / "plain" / "train", count=6)
    folder_of(root.parent / "val", count=6, size=(9, 9))
    assert told(load({"source": str(root.parent), "size": 8}, cache=tmp_path / "cache")) == []
    noise = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 1), dtype=np.uint8)
    copies = small_copies(np.stack(noise))
    assert near_duplicates(copies, np.arange(30), np.arange(30, 60)) == []


def test_a_camera_that_does_not_move_sees_no_copies():
    """What all images share says nothing: the parts on the belt differ."""
    scene = np.asarray(photograph(0))
    seen = np.repeat(scene[None], 40, axis=0)
    for i, image in enumerate(seen):
        image[20:30, i : i + 12] = 255
    copies = small_copies(np.stack(seen))
    assert near_duplicates(copies, np.arange(0, 40, 4), np.arange(1, 40, 4)) == []


def test_light_from_one_side_makes_no_copies():
    """Plain surfaces under a lamp, as of steel, have only their grain to be told apart by."""
    rng = np.random.default_rng(0)
    light = np.linspace(60, 200, 32)[:, None] + np.linspace(0, 20, 36)[None]
    grain = rng.normal(0, 10, (40, 32, 36))
    copies = small_copies(np.stack([np.rint(light + g).astype(np.uint8)[..., None] for g in grain]))
    assert near_duplicates(copies, np.arange(20), np.arange(20, 40)) == []


def test_the_nearest_of_several_copies_is_named():
    images = [np.asarray(photograph(i)) for i in range(20)]
    near = np.clip(images[5].astype(int) + 1, 0, 255).astype(np.uint8)
    far = np.asarray(PIL.Image.fromarray(images[5]).resize((20, 16)).resize(SIZE))
    copies = small_copies(np.stack([*images, far, near, near]))
    assert near_duplicates(copies, np.array([5]), np.array([0, 1, 2, 20, 21, 22])) == [(5, 21)]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_copy_holds_the_means_of_cells(channels):
    cells = np.random.default_rng(0).integers(0, 250, (ROWS, COLUMNS), dtype=np.uint8)
    image = np.repeat(np.repeat(cells, 3, axis=0), 2, axis=1)[..., None].repeat(channels, axis=2)
    image[0, 0] += 6  # one of the six pixels of a cell
    expected = cells.copy()
    expected[0, 0] += 1
    assert np.array_equal(small_copies(image[None])[0], expected)


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 1, 3), (17, 5, 4), (100, 31, 1)])
def test_a_small_copy_of_any_size(shape):
    rows = np.linspace(0, 255, shape[0]).astype(np.uint8)
    copy = small_copies(np.broadcast_to(rows[:, None, None], shape)[None])[0]
    assert copy.shape == (ROWS, COLUMNS)
    assert (np.diff(copy.astype(int), axis=0) >= 0).all()
    assert (copy == copy[:, :1]).all()


def test_an_entry_of_an_older_version_is_made_anew(tmp_path):
    root = folder_of(tmp_path / "set")
    before = load({"source": str(root)}, cache=tmp_path / "cache")
    (entry,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    (entry / "names.json").unlink()
    (entry / "small.npy").unlink()
    after = load({"source": str(root)}, cache=tmp_path / "cache")
    assert after.fingerprint == before.fingerprint
    assert json.loads((entry / "names.json").read_text())[0] == "cat/000.png"
    shutil.rmtree(entry)


def test_copies_are_looked_for_once_and_told_each_time(tmp_path, monkeypatch):
    folder_of(tmp_path / "set", parts=("train", "test"))  # equal pictures in both parts
    before = load(str(tmp_path / "set"), cache=tmp_path / "cache")
    assert any("also among the training images" in note for note in before.notes)
    (kept,) = (tmp_path / "cache").glob("*/twins*.json")
    with monkeypatch.context() as patched:
        module = importlib.import_module("plugnas.nas.data.load")  # beside the function
        patched.setattr(module, "twins_notes", lambda *_: pytest.fail("again"))
        assert load(str(tmp_path / "set"), cache=tmp_path / "cache").notes == before.notes
    kept.write_text('{"notes": 3}')  # damaged: looked for anew
    assert load(str(tmp_path / "set"), cache=tmp_path / "cache").notes == before.notes
    other = load({"source": str(tmp_path / "set"), "seed": 7}, cache=tmp_path / "cache")
    assert other.fingerprint != before.fingerprint  # another division has its own
    assert len(list((tmp_path / "cache").glob("*/twins*.json"))) == 2


def test_many_copies_are_levelled_as_one_is(monkeypatch):
    images = np.random.default_rng(0).integers(0, 255, (10, 20, 24, 3), dtype=np.uint8)
    copies = np.concatenate([small_copies(images), small_copies(images[:3])])
    whole = near_duplicates(copies, np.arange(10, 13), np.arange(10))
    monkeypatch.setattr("plugnas.nas.data.near_duplicates._AT_ONCE", 2)
    assert near_duplicates(copies, np.arange(10, 13), np.arange(10)) == whole
    assert whole == [(10, 0), (11, 1), (12, 2)]
