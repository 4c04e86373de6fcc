"""Images with masks: layouts, palettes, labels, and what is wrong with them."""

import tarfile

import numpy as np
import PIL.Image
import pytest
import torch

from plugnas.nas.data import DataError, load
from plugnas.space.typed import ConfigError
from tests.nas.data.masked import PALETTE, in_colour, mask_of, pairs, write

AUTO = {"masks": "auto"}


def _load(root, **spec):
    return load({"source": str(root), **AUTO, **spec})


@pytest.mark.parametrize(
    "places",
    [
        [("images", "masks")],
        [("images/train", "masks/train"), ("images/val", "masks/val")],
        [("train/images", "train/labels"), ("val/images", "val/labels")],
        [("train", "trainannot"), ("val", "valannot"), ("test", "testannot")],
    ],
)
def test_each_layout_gives_every_image_its_mask_and_part(tmp_path, places):
    found = _load(pairs(tmp_path / "set", places))
    assert found.images.shape == (6 * len(places), 6, 8, 3)
    assert found.labels.dtype == torch.uint8
    assert found.labels.shape == (6 * len(places), 6, 8)
    for image, mask in zip(found.images, found.labels, strict=True):
        assert np.array_equal(mask, mask_of(int(image[0, 0, 0])))
    assert found.classes == ("0", "1")
    divided = len(found.train), len(found.validation), len(found.test)
    assert divided == {1: (4, 1, 1), 2: (5, 6, 1), 3: (6, 6, 6), 4: (6, 6, 6)}[len(places)]


def test_voc_lists_divide_the_images(tmp_path):
    root = pairs(tmp_path / "voc", [("JPEGImages", "SegmentationClass")], count=8)
    pairs(root, [("JPEGImages", "SegmentationObject")], count=8)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("000\n001\n002\n")
    (lists / "val.txt").write_text("005\n006\n")
    (lists / "trainval.txt").write_text("000\n001\n002\n005\n006\n")
    found = _load(root, test=0.0)
    numbers = found.images[:, 0, 0, 0]
    assert numbers[found.train].tolist() == [0, 1, 2]
    assert numbers[found.validation].tolist() == [5, 6]
    (lists / "val.txt").write_text("")
    with pytest.raises(DataError, match=r"val\.txt of .* is empty"):
        _load(root)
    (lists / "val.txt").write_text("001\n")
    with pytest.raises(DataError, match="into two parts"):
        _load(root)


def test_folders_of_any_name_and_masks_with_an_ending(tmp_path):
    root = pairs(tmp_path / "set", [("stills", "Labeled")])
    for path in sorted((root / "Labeled").iterdir()):
        path.rename(path.with_name(f"{path.stem}_L.png"))
    found = _load(root, masks="Labeled")
    assert len(found.labels) == 6


def test_an_archive_reads_as_its_folder(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")])
    (root / "classes.txt").write_text("road\ncar\n")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(root, "set")
    folder, archive = _load(root), _load(tmp_path / "set.tar.gz")
    assert folder.classes == archive.classes == ("road", "car")
    assert torch.equal(folder.labels, archive.labels)
    assert torch.equal(folder.images, archive.images)


def test_colours_mean_what_the_palette_says_and_void_counts_nowhere(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")], classes=3)
    for path in (root / "masks").iterdir():
        in_colour(path)
    with pytest.raises(DataError, match=r"is in colour, and no palette"):
        _load(root)
    (root / "label_colors.txt").write_text("128 64 128\troad\n0 0 192 car\n0 0 0 Void\n")
    found = _load(root)
    assert found.classes == ("road", "car")
    right = found.labels[:, 0, -1]
    assert sorted(right.tolist()) == [1, 1, 1, 255, 255, 255]
    assert found.pixels.sum(0).tolist() == [6 * 24, 3 * 24, 3 * 24]
    palette = tmp_path / "mine.txt"
    palette.write_text("128 64 128 road\n0 0 192 car\n")
    with pytest.raises(DataError, match=r"has the colour 0 0 0, which the palette has\s+not"):
        _load(root, palette=str(palette))
    palette.write_text("128 64 road\n")
    with pytest.raises(DataError, match=r"line 1 of .* is no colour"):
        _load(root, palette=str(palette))
    with pytest.raises(DataError, match="is not there"):
        _load(root, palette="nowhere.txt")


def test_a_mask_with_a_palette_of_its_own_holds_numbers(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")])
    for path in (root / "masks").iterdir():
        image = PIL.Image.fromarray(np.asarray(PIL.Image.open(path))).convert("P")
        image.putpalette([v for colour in PALETTE for v in colour])
        image.save(path)
    assert sorted(_load(root).labels.unique().tolist()) == [0, 1]


def test_numbers_without_names_are_the_classes_that_occur(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")])
    for path in (root / "masks").iterdir():
        PIL.Image.fromarray(np.asarray(PIL.Image.open(path)) * 255).save(path)
    with pytest.raises(DataError, match=r"hold 1 class beside .*ignored: 255.*`ignore: null`"):
        _load(root)
    found = _load(root, ignore=None)
    assert found.classes == ("0", "255")
    assert sorted(found.labels.unique().tolist()) == [0, 1]


def test_another_size_scales_and_crops_the_mask_as_its_image(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")], size=(16, 12))
    for path in (root / "images").iterdir():  # the image shows its own mask
        labels = mask_of(int(path.stem), (16, 12))
        PIL.Image.fromarray(labels * 255).convert("RGB").save(path)
    found = _load(root, size=[6, 4])
    assert found.labels.shape == (6, 6, 4)
    assert torch.equal(found.images[..., 0] > 127, found.labels == 1)


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
def test_masks_of_mixed_sizes_follow_their_images(tmp_path, mode):
    for number, (height, width) in enumerate([(18, 12), (12, 18), (8, 24), (24, 8), (6, 6)]):
        labels = np.zeros((height, width), np.uint8)
        labels[height // 2 :, : width // 2] = 1
        name = f"{number}.png"
        write(PIL.Image.fromarray(100 + 100 * labels), tmp_path / "images" / name)
        write(PIL.Image.fromarray(labels), tmp_path / "masks" / name)
    found = _load(tmp_path, resize={"size": [12, 12], "mode": mode}, ignore=None)
    images, masks = found.images[..., 0], found.labels
    assert masks.shape == (5, 12, 12) and found.resize == mode
    assert torch.equal(images > 150, masks == 1)
    assert torch.equal(images == 0, masks == 255)  # black, which counts nowhere
    outside = (masks == 255).flatten(1).sum(1).tolist()
    assert outside == ([4 * 12, 4 * 12, 8 * 12, 8 * 12, 0] if mode == "pad" else [0] * 5)
    assert found.classes == ("0", "1")
    assert torch.equal(found.pixels.sum(1), torch.full((5,), 144))
    assert found.pixels[:, -1].tolist() == outside
    if mode == "pad":
        assert (masks[2, :4] == 255).all() and (masks[2, 8:] == 255).all()
        assert (masks[2, 6:8, :6] == 1).all() and (masks[2, 4:6] == 0).all()


def test_laws_of_masks_are_told_with_the_file(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")])
    write(PIL.Image.new("L", (8, 5)), root / "masks" / "002.png")
    with pytest.raises(DataError, match=r"1 masks of set .* \(images/002.png: 5x8 for 6x8\)"):
        _load(root)
    (root / "masks" / "002.png").unlink()
    with pytest.raises(DataError, match=r"1 of 6 images of .* have no mask \(images/002\.png\)"):
        _load(root)
    (root / "images" / "002.png").unlink()
    assert len(_load(root).images) == 5
    (root / "classes.txt").write_text("road\ncar\n")
    PIL.Image.fromarray(mask_of(1) + 3).save(root / "masks" / "001.png")
    with pytest.raises(DataError, match=r"label 3 in images/001.png .* outside the 2 classes"):
        _load(root)
    with pytest.raises(DataError, match="holds no masks in a folder `maks`"):
        _load(root, masks="maks")


def test_a_void_mask_is_left_out_and_a_broken_one_too(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")], count=8)
    write(PIL.Image.new("L", (8, 6), 255), root / "masks" / "002.png")
    (root / "masks" / "003.png").write_bytes(b"no picture")
    found = _load(root)
    numbers = found.images[:, 0, 0, 0].tolist()
    assert numbers == [0, 1, 4, 5, 6, 7]
    assert len(found.labels) == len(found.pixels) == 6
    assert dict(found.skipped)["images/002.png"] == "nothing in its mask counts"
    assert "2 of 8 images are broken, or void in their masks," in found.notes[0]


def test_a_class_that_training_lacks_is_told(tmp_path):
    root = pairs(tmp_path / "set", [("images/train", "masks/train")], classes=2)
    pairs(root, [("images/val", "masks/val")], classes=3)
    found = _load(root, test=0.0)
    assert found.classes == ("0", "1", "2")
    (note,) = (note for note in found.notes if "train has" in note)
    assert "train has no pixel of `2`, but validation has" in note


def test_arrays_with_masks(tmp_path):
    images = np.zeros((9, 6, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(9)
    masks = np.stack([mask_of(n, classes=3) for n in range(9)]).astype(np.int64)
    file = tmp_path / "set.npz"
    np.savez(file, images=images, masks=masks, classes=["sky", "sea", "sand"])
    found = _load(file)
    assert found.classes == ("sky", "sea", "sand")
    assert np.array_equal(found.labels, masks)
    np.savez(file, images=images, masks=np.eye(3)[masks])
    with pytest.raises(DataError, match="of one-hot masks give the argmax"):
        _load(file)
    np.savez(file, images=images, masks=masks[:, :-1])
    with pytest.raises(DataError, match="another size than their image"):
        _load(file)
    np.savez(file, images=images, masks=masks + 0.5)
    with pytest.raises(DataError, match="no whole numbers"):
        _load(file)
    np.savez(file, images=images, labels=masks[:, 0, 0])
    with pytest.raises(DataError, match="no images with masks"):
        _load(file)


def test_options_of_masks_need_masks(tmp_path):
    root = pairs(tmp_path / "set", [("images", "masks")])
    with pytest.raises(DataError, match="`data.ignore` is about masks"):
        load({"source": str(root), "ignore": 11})
    with pytest.raises(DataError, match="one class for each image and no masks"):
        load({"source": "digits", **AUTO})
    with pytest.raises(ConfigError, match="a label from 0 to 255"):
        _load(root, ignore=300)
