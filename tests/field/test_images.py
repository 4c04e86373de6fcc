"""Field cases of images: what people met with other tools, rebuilt small, and what happens here.

The source of each stands beside it as `repository#issue`; no code or wording is taken from there.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from plugnas.nas.data import DataError, load
from plugnas.nas.tasks.classification import Classification
from tests.nas.data.masked import pairs
from tests.nas.data.pictures import folder_of


def picture(place: Path, colour: int | tuple[int, ...] = 90, **options: object) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if isinstance(colour, int) else "RGB"
    PIL.Image.new(mode, (8, 8), colour).save(place, **options)


def read(folder: Path, source: Path | None = None, **spec: object):
    return load({"source": str(source or folder), **spec}, cache=folder.parent / "cache")


def test_a_validation_folder_without_one_class(tmp_path):
    """pytorch-image-models#957: the classes keep their order and numbers."""
    root = folder_of(tmp_path / "set" / "train", ("ant", "bee", "cat"))
    folder_of(tmp_path / "set" / "val", ("ant", "cat"), count=4)
    found = read(root.parent)
    assert found.classes == ("ant", "bee", "cat")
    assert set(found.labels[found.validation].tolist()) == {0, 2}
    assert any("bee" in note for note in found.notes)


def test_files_of_the_system_beside_the_classes(tmp_path):
    """vision#109, mmpretrain#507."""
    root = folder_of(tmp_path / "set")
    for name in (".DS_Store", "Thumbs.db", "cat/.DS_Store"):
        (root / name).write_bytes(b"x")
    picture(root / ".ipynb_checkpoints" / "cat" / "1-checkpoint.png", (1, 2, 3))
    found = read(root)
    assert found.classes == ("cat", "dog")
    assert (len(found.images), found.skipped) == (20, ())


def test_an_empty_class_folder(tmp_path):
    """vision#4925, vision#8297."""
    root = folder_of(tmp_path / "set")
    (root / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        read(root)


def test_half_of_each_class_stored_turned(tmp_path):
    """sd-scripts#1316, diffusers#3465: EXIF says how, and all come out upright."""
    wide, exif = np.zeros((8, 12, 3), np.uint8), PIL.Image.Exif()
    wide[:, 6:] = 255
    exif[274] = 6  # shown by a turn to the right
    for name, number in ((n, i) for n in ("a", "b") for i in range(6)):
        place = tmp_path / "set" / name / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        turned = PIL.Image.fromarray(np.rot90(wide).copy())
        image, options = (turned, {"exif": exif}) if number % 2 else (PIL.Image.fromarray(wide), {})
        image.save(place, **options)
    found = read(tmp_path / "set")
    assert found.input_shape == (3, 8, 12)
    assert (found.images[:, :, 8:] == 255).all()
    assert (found.images[:, :, :4] == 0).all()


def test_pictures_of_16_bits(tmp_path):
    """Pillow#2574, Pillow#3011: the upper byte, neither white nor black."""
    for name, value in (("a", 0x3412), ("b", 0xC8FF)):
        for number in range(5):
            place = tmp_path / "set" / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(np.full((8, 8), value + number, np.uint16)).save(place)
    found = read(tmp_path / "set")
    assert set(found.images[found.labels == 0].unique().tolist()) == {0x34}
    assert set(found.images[found.labels == 1].unique().tolist()) <= {0xC8, 0xC9}


def test_half_an_image_an_empty_one_and_a_page_of_html(tmp_path):
    """vision#138, FCOS#206, fastai#2249: left out and named."""
    root = folder_of(tmp_path / "set")
    picture(root / "cat" / "whole.jpg", (9, 9, 9))
    whole = (root / "cat" / "whole.jpg").read_bytes()
    (root / "cat" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "cat" / "empty.jpg").write_bytes(b"")
    (root / "dog" / "page.jpg").write_bytes(b"<!doctype html><title>404</title>")
    found = read(root)
    assert {Path(name).name for name, _ in found.skipped} == {"half.jpg", "empty.jpg", "page.jpg"}
    assert len(found.images) == 21


def test_classes_named_by_numbers(tmp_path):
    """ImageNetV2#10: by text, as everywhere in the field, and what is first is said by name."""
    root = folder_of(tmp_path / "set", tuple(map(str, range(12))), count=5)
    found = read(root)
    assert found.classes == tuple(sorted(map(str, range(12))))
    assert "0" in Classification().prepared(found).describe(found)[0]


def test_grey_and_cmyk_among_colour(tmp_path):
    """matconvnet#91, matconvnet#360."""
    root = folder_of(tmp_path / "set")
    picture(root / "cat" / "grey.png", 77)
    PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(root / "dog" / "red.jpg")
    found = read(root)
    assert found.input_shape == (3, 8, 8)
    assert (found.images == 77).all(dim=3).all(dim=2).all(dim=1).sum() == 1


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, suffix):
    """The documented rule: the first frame, without blending and without a channel more."""
    frames = [PIL.Image.new("RGB", (8, 8), (level, level, level)) for level in (40, 200, 250)]
    options = {"lossless": True} if suffix == "webp" else {}
    for name in ("a", "b"):
        for number in range(5):
            place = tmp_path / "set" / name / f"{number}.{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            frames[0].save(place, save_all=True, append_images=frames[1:], **options)
    with PIL.Image.open(place) as saved:
        assert saved.n_frames == 3
    found = read(tmp_path / "set", colour="rgb")
    assert found.images.unique().tolist() == [40] and len(found.images) == 10


def test_a_palette_among_grey_counts_as_colour(tmp_path):
    root = folder_of(tmp_path / "set")
    for file in root.rglob("*.png"):
        picture(file, 77)
    assert read(root).input_shape == (1, 8, 8)
    PIL.Image.new("RGB", (8, 8), (10, 120, 250)).quantize(4).save(root / "cat" / "palette.png")
    mixed = read(root)
    assert mixed.input_shape == (3, 8, 8)
    assert sorted(mixed.images.flatten(0, 2).unique(dim=0).tolist()) == [
        [10, 120, 250], [77, 77, 77],
    ]  # fmt: skip


def test_a_black_drawing_on_nothing(tmp_path):
    """DIGITS#85, sd-scripts#1269: it is laid over white, or nothing would be left of it."""
    for name in ("a", "b"):
        for number in range(5):
            place = tmp_path / "set" / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((8, 8, 4), np.uint8)
            pixels[number, :, 3] = 255
            PIL.Image.fromarray(pixels).save(place)
    found = read(tmp_path / "set")
    assert set(found.images.unique().tolist()) == {0, 255}
    assert ((found.images == 0).sum(dim=(1, 2, 3)) == 8 * found.input_shape[0]).all()


def test_an_archive_packed_on_a_mac(tmp_path):
    """SynthTabNet#15, CSI#31, openneuro#2520."""
    root = folder_of(tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in root.rglob("*.png"):
            name = file.relative_to(tmp_path).as_posix()
            archive.write(file, name)
            archive.writestr(f"__MACOSX/{name.replace(file.name, '._' + file.name)}", b"\0\5\x16\7")
    found = read(root, tmp_path / "set.zip")
    assert (found.classes, len(found.images), found.skipped) == (("cat", "dog"), 20, ())


def test_classes_of_one_and_of_two_images(tmp_path):
    """darwin-py#406, ludwig#2831: divided as far as they go, and what is missing is said."""
    root = folder_of(tmp_path / "set")
    picture(root / "lone" / "1.png", (200, 1, 1))
    for number in range(2):
        picture(root / "two" / f"{number}.png", (1, 200, number))
    found = read(root)
    labels = {
        part: set(found.labels[found.part(part)].tolist()) for part in ("train", "validation")
    }
    assert labels == {"train": {0, 1, 2, 3}, "validation": {0, 1, 3}}
    assert any("lone" in note for note in found.notes)


def test_validation_images_that_are_in_train(tmp_path):
    """RIAWELC#2, PlantSeg#11, COVID-19#51: found and told."""
    root = folder_of(tmp_path / "set" / "train")
    folder_of(tmp_path / "set" / "val", count=2)  # the same pixels as the first of train
    for number in range(3):
        picture(root.parent / "val" / "cat" / f"new{number}.png", (3, 3, 100 + number))
    (note,) = [n for n in read(root.parent).notes if "also among" in n]
    assert note.startswith("4 of 7 validation images are also among the training images")


def test_images_of_one_part_alone_are_not_told(tmp_path):
    """The other side of the same: pictures that only look alike are no twins."""
    assert not any("also among" in note for note in read(folder_of(tmp_path / "set")).notes)


def test_classes_below_other_folders(tmp_path):
    """vision#2605: what is taken for a class is shown with its count, so that a slip is seen."""
    for outer, inner in (("a", "airplane"), ("b", "boat")):
        folder_of(tmp_path / "set" / outer, (inner,), count=5)
    found = read(tmp_path / "set")
    told = " ".join(Classification().prepared(found).describe(found))
    for name in found.classes:
        assert name in told


def test_a_link_to_the_folder_above(tmp_path):
    """keras#4552, mindocr#538, godirwalk#64: each file is read once."""
    root = folder_of(tmp_path / "set")
    (root / "cat" / "loop").symlink_to(root, target_is_directory=True)
    found = read(root)
    assert len(found.images) == 20
    assert found.labels.bincount().tolist() == [10, 10]


def test_arrays_of_four_channels(tmp_path):
    """geo-deep-learning#117, caffe-segnet#24: the fourth is a band, no transparency."""
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 4), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(20) % 2)
    found = read(tmp_path / "set", tmp_path / "set.npz")
    assert found.input_shape == (4, 8, 8)
    assert np.array_equal(found.images.numpy(), images)


def test_a_file_of_hdf5(tmp_path):
    """tflearn#904: refused with what can be read."""
    (tmp_path / "set.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    with pytest.raises(DataError, match=r"set\.h5.*\.npz"):
        read(tmp_path / "set", tmp_path / "set.h5")


def test_a_flat_folder_with_a_table_of_labels(tmp_path):
    """Labels in a CSV file beside a flat folder."""
    lines = ["file,label"]
    for number in range(10):
        picture(tmp_path / "set" / f"{number}.png", (10 * number, 5, 5))
        lines.append(f"{number}.png,{'ab'[number % 2]}")
    (tmp_path / "set" / "labels.csv").write_text("\n".join(lines))
    found = read(tmp_path / "set", tmp_path / "set" / "labels.csv")
    assert (found.classes, len(found.images)) == (("a", "b"), 10)


def test_a_folder_of_images_and_one_of_masks(tmp_path):
    """images/ beside masks/ are no two classes: what they are is said, and so read when asked."""
    root = pairs(tmp_path / "set", [("images", "masks")])
    with pytest.raises(
        DataError, match="images with masks, and no two classes; say `task: segmentation`"
    ):
        read(root)
    found = read(root, masks="auto")
    assert (len(found.images), found.masked) == (6, True)


def test_ninety_five_of_a_hundred_in_one_class(tmp_path):
    """FLAML#61, mljar-supervised#73, DeepProfiler#239: an accuracy of 0.95 is explained."""
    folder_of(tmp_path / "set", ("common",), count=95)
    folder_of(tmp_path / "set", ("rare",), count=5)
    found = read(tmp_path / "set")
    told = " ".join(Classification().prepared(found).describe(found))
    assert "`common` is 95% of the training images" in told
    assert "balanced_accuracy" in told


def test_a_root_without_the_set(tmp_path):
    """The folder of a set of torchvision is not there, or a link to nowhere: what to do is said."""
    (tmp_path / "root").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"CIFAR10 was not found: .*download: true"):
        load({"source": "CIFAR10", "root": str(tmp_path / "root")}, cache=tmp_path / "cache")


def test_arrows_to_the_left_and_to_the_right(tmp_path):
    """darknet#674, mmaction2#590: nothing is mirrored unless it is asked for."""
    for name, side in (("left", 0), ("right", 4)):
        for number in range(6):
            pixels = torch.zeros(8, 8, dtype=torch.uint8)
            pixels[number, side : side + 4] = 255
            place = tmp_path / "set" / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels.numpy()).save(place)
    assert read(tmp_path / "set").mirror is False
    assert read(tmp_path / "set", mirror=True).mirror is True
