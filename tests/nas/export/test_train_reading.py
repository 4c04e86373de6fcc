"""The export's train.py reads images as the search does, and refuses what the search refuses."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL.Image
import pytest
import torch

from plugnas.nas import data, export
from plugnas.nas.data import pixels
from plugnas.nas.export import train_py
from plugnas.nas.export.geometry import geometry
from plugnas.nas.proxy import mixing
from tests.nas.export import subjects

SIZE = (6, 8)


@pytest.fixture
def train(monkeypatch):
    """Return the script for a network of two classes, with what lies beside it in an export."""
    return script("train.py", monkeypatch)


def script(name, monkeypatch):
    """Return a script of an export of a network that tells cats from dogs."""
    model = ModuleType("model")
    vars(model).update(INPUT_SHAPE=(3, *SIZE), CLASSES=("cat", "dog"), MEAN=(0,), STD=(1,))
    monkeypatch.setitem(sys.modules, "model", model)
    monkeypatch.setitem(sys.modules, "pixels", pixels)
    monkeypatch.setitem(sys.modules, "mixing", mixing)
    path = Path(export.__file__).parent / "standalone" / name
    spec = importlib.util.spec_from_file_location("exported_train", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def odd_images():
    """One image of each kind that is easily read wrong: (name, image, options of saving)."""
    rng = np.random.default_rng(0)
    bytes_ = rng.integers(0, 256, (12, 10, 4), dtype=np.uint8)
    rgb = PIL.Image.fromarray(bytes_[..., :3].copy())
    turned = PIL.Image.Exif()
    turned[274] = 6
    yield "grey16.png", PIL.Image.fromarray(bytes_[..., 0].astype(np.uint16) * 257), {}
    yield "alpha.png", PIL.Image.fromarray(bytes_), {}
    yield "turned.jpg", rgb, {"exif": turned}
    yield "palette.gif", rgb.convert("P"), {}
    yield "see-through.png", rgb.convert("P"), {"transparency": 3}
    yield "cmyk.jpg", rgb.convert("CMYK"), {}
    yield "grey.PNG", rgb.convert("L"), {}


def test_every_kind_of_image_is_read_as_in_the_search(train, tmp_path):
    for name, image, options in odd_images():
        for folder in ("cat", "dog"):
            (tmp_path / "images" / folder).mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / "images" / folder / name, **options)
    (tmp_path / "images" / "cat" / ".hidden.png").write_bytes(b"")
    spec = {"source": str(tmp_path / "images"), "size": SIZE}
    ours = data.load(spec, cache=tmp_path / "cache")
    images, labels = train.read_folder(tmp_path / "images", every_class=True)
    assert labels.tolist() == ours.labels.tolist()
    assert torch.equal(images, ours.images.permute(0, 3, 1, 2))


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
def test_images_of_any_size_are_read_as_in_the_search(train, tmp_path, monkeypatch, mode):
    rng = np.random.default_rng(1)
    for number, size in enumerate([(30, 5), (7, 40), (130, 97), (8, 6), (3, 2)]):
        image = PIL.Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        for folder, suffix in (("cat", "png"), ("dog", "jpg")):
            (tmp_path / "images" / folder).mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / "images" / folder / f"{number}.{suffix}")
    spec = {"source": str(tmp_path / "images"), "resize": {"size": SIZE, "mode": mode}}
    ours = data.load(spec, cache=tmp_path / "cache")
    monkeypatch.setattr(train, "RESIZE", ours.resize)
    images, _ = train.read_folder(tmp_path / "images", every_class=True)
    assert torch.equal(images, ours.images.permute(0, 3, 1, 2))


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
def test_masks_of_any_size_are_read_as_in_the_search(tmp_path, monkeypatch, mode):
    rng, places = np.random.default_rng(2), ("images", "masks")
    for number, size in enumerate([(30, 5), (7, 40), (131, 97), (8, 6)]):
        for place in places:
            shape = (*size, 3) if place == "images" else size
            values = rng.integers(0, 256 if place == "images" else 3, shape, dtype=np.uint8)
            (tmp_path / place).mkdir(exist_ok=True)
            PIL.Image.fromarray(values).save(tmp_path / place / f"{number}.png")
    resize = {"size": SIZE, "mode": mode}
    spec = {"source": str(tmp_path), "masks": "auto", "resize": resize, "ignore": 2}
    ours = data.load(spec, cache=tmp_path / "cache")
    masks = script("train_masks.py", monkeypatch)
    monkeypatch.setattr(masks, "RESIZE", ours.resize)
    read = [masks.read_pair(*(tmp_path / p / f"{i}.png" for p in places)) for i in range(4)]
    assert torch.equal(torch.stack([image for image, _ in read]), ours.images.permute(0, 3, 1, 2))
    assert torch.equal(torch.stack([labels for _, labels in read]), ours.labels)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("crop", "cropped around the centre"), ("pad", "middle of black"), ("stretch", "its aspect")],
)
def test_the_recipe_s_way_is_written_into_script_and_readme(tmp_path, mode, words):
    found = subjects.subject()
    recipe = {"resize": mode, "mixup": 0.2, "zoom": 0.5, "clip": None, "schedule": "trapezoid"}
    found = replace(found, provenance=replace(found.provenance, recipe=recipe))
    assert train_py.write(found, tmp_path) == ["train.py", "pixels.py", "mixing.py"]
    assert "\nMIXUP = 0.2  # images" in (tmp_path / "train.py").read_text()
    assert "\nERASING = 0.0  #" in (tmp_path / "train.py").read_text()
    assert f'\nRESIZE = "{mode}"' in (tmp_path / "train.py").read_text().replace("'", '"')
    assert words in geometry(found)
    assert train_py.left_out(found) == ["schedule", "zoom"]
    assert train_py.left_out(replace(found, dense=True)) == ["schedule"]


def test_batches_are_mixed_and_erased_by_the_recipe(train, monkeypatch):
    """Defect: the exported script trained without the recipe's mixup and erasing."""
    images = torch.full((4, 3, *SIZE), 255, dtype=torch.uint8)
    images[2:] = 51
    labels = torch.tensor([0, 0, 1, 1])

    def batch(**constants):
        for name, value in {"SHIFT": 0, "MIXUP": 0.0, "ERASING": 0.0, **constants}.items():
            monkeypatch.setattr(train, name, value)
        generator = torch.Generator().manual_seed(0)
        return next(train.batches(images, labels, generator, torch.device("cpu")))

    x, y = batch()
    assert torch.equal(x[:, 0, 0, 0], torch.where(y == 0, 1.0, 0.2))
    erased, same = batch(ERASING=1.0)
    gone = (erased == 0).flatten(1).float().mean(1)
    assert torch.equal(same, y) and gone.min() > 0 and gone.max() < 0.5
    assert torch.equal(erased[erased != 0], x[erased != 0])
    mixed, both = batch(MIXUP=0.4)
    share = both.share
    assert 0 <= share <= 1 and torch.equal(both.own, y) and torch.equal(both.other, y.flip(0))
    assert torch.allclose(mixed, share * x + (1 - share) * x.flip(0))
    logits = torch.tensor([[2.0, 0.0], [0.5, 1.0], [0.0, 0.0], [-1.0, 3.0]])
    whole = share * train.loss_of(logits, y) + (1 - share) * train.loss_of(logits, y.flip(0))
    assert torch.allclose(train.loss_of(logits, both), whole)


def test_a_missing_class_is_refused_and_other_folders_are_told(train, tmp_path, caplog):
    image = PIL.Image.new("RGB", SIZE[::-1])
    for place in ("training/cat", "training/dog", "Valid/cat", "training/cow"):
        (tmp_path / place).mkdir(parents=True)
        image.save(tmp_path / place / "1.png")
    (tmp_path / "training/cat/2.jpg").write_bytes(b"<html>")
    images, _, held, held_labels = train.read_data(tmp_path, torch.Generator())
    assert (len(images), len(held), held_labels.tolist()) == (2, 1, [0])
    assert "2.jpg is broken" in caplog.text
    assert "no classes of the network: cow" in caplog.text
    (tmp_path / "training/dog/1.png").unlink()
    with pytest.raises(SystemExit, match="no image in a folder named `dog`"):
        train.read_data(tmp_path, torch.Generator())
    with pytest.raises(SystemExit, match="is no folder"):
        train.read_data(tmp_path / "nowhere", torch.Generator())
