"""Every kind of bad image, and of bad words about them."""

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from plugnas.modules import PlugnasError
from plugnas.nas.data import DataError, load
from tests.nas.data.pictures import folder_of


@pytest.mark.parametrize("name", ["cut.tar.xz", "cut.zip", "cut.tar.gz"])
def test_a_cut_archive_is_said(tmp_path, name):
    root = folder_of(tmp_path / "pets", count=40)
    kind = {"cut.tar.xz": "xztar", "cut.zip": "zip", "cut.tar.gz": "gztar"}[name]
    whole = shutil.make_archive(str(tmp_path / "whole"), kind, tmp_path, root.name)
    content = Path(whole).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read as an archive"):
        load(str(tmp_path / name))


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"pictures": np.zeros((3, 4, 4))}, "found pictures"),
        ({"images": np.zeros((3, 4, 4)), "labels": np.zeros(2)}, "one label per image"),
        ({"images": np.zeros((3, 4)), "labels": np.arange(3)}, "must have shape"),
        ({"images": np.full((3, 4, 4), -1.0), "labels": np.arange(3)}, "from -1 to -1"),
        ({"images": np.full((3, 4, 4), np.nan), "labels": np.arange(3)}, "from nan"),
        ({"images": np.array([{}, {}]), "labels": np.arange(2)}, "cannot be read as .npz"),
        ({"images": np.zeros((3, 4, 4)), "labels": np.zeros(3)}, "one class"),
    ],
)
def test_bad_npz(tmp_path, arrays, text):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=text):
        load(str(tmp_path / "bad.npz"))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"source": "MNIST", "root": "{}/nowhere"}, "is no folder"),
        ({"source": "MNIST", "root": "{}"}, "data.download: true"),
        ({"source": "CIFAR10", "root": "{}"}, "was not found under"),
        ({"source": "MNITS", "root": "{}"}, "did you mean `MNIST`"),
        ("CIFAR10", "needs `data.root`"),
        ("digit", "did you mean `digits`"),
        ("{}/nowhere.npz", "does not exist"),
        ("{}/imags", "did you mean `images`"),
        ("{}/notes.txt", "is no image source"),
        ({"source": "digits", "sizes": 3}, "unknown key `sizes`; did you mean `size`"),
        ({"source": "digits", "size": 0}, "at least 1 pixel"),
        ({"source": "digits", "validation": 0}, "validation must be above 0"),
        ({"source": "digits", "validation": 0.5, "test": 0.5}, "leave something to train on"),
        ({"source": "digits", "limit": 1}, "at least 2"),
        ({"source": "digits", "colour": "blue"}, "colour"),
    ],
)
def test_bad_specs(tmp_path, spec, text):
    (tmp_path / "images").mkdir()
    (tmp_path / "notes.txt").write_text("not an image")
    fill = str(tmp_path)
    filled = (
        spec.replace("{}", fill)
        if isinstance(spec, str)
        else {k: v.replace("{}", fill) if isinstance(v, str) else v for k, v in spec.items()}
    )
    with pytest.raises(PlugnasError, match=text):
        load(filled)


def test_one_class(tmp_path):
    with pytest.raises(DataError, match=r"one class \(`cat`\)"):
        load(str(folder_of(tmp_path / "images", classes=("cat",))))


def test_no_images(tmp_path):
    (tmp_path / "images" / "cat").mkdir(parents=True)
    (tmp_path / "images" / "cat" / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match="holds no image"):
        load(str(tmp_path / "images"))


def test_images_without_class_folders(tmp_path):
    folder_of(tmp_path, classes=("images",))
    with pytest.raises(DataError, match="lie in no class folder"):
        load(str(tmp_path / "images"))


def test_an_empty_class_folder(tmp_path):
    root = folder_of(tmp_path / "images")
    (root / "emu").mkdir()
    with pytest.raises(DataError, match="class folder `emu`"):
        load(str(root))


def test_a_class_that_is_only_tested(tmp_path):
    root = folder_of(tmp_path / "images", parts=("train", "test"))
    folder_of(root, classes=("emu",), parts=("test",))
    with pytest.raises(DataError, match="`emu` .* none to train on"):
        load(str(root))


def test_broken_images_are_skipped_counted_and_named(tmp_path):
    root = folder_of(tmp_path / "images")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(noise).save(buffer, "JPEG")
    (root / "cat" / "cut.jpg").write_bytes(buffer.getvalue()[: buffer.tell() // 2])
    (root / "dog" / "text.jpg").write_text("no image at all")
    (root / "dog" / "void.png").write_bytes(b"")
    data = load({"source": str(root), "size": 8})
    assert [name for name, _ in data.skipped] == ["cat/cut.jpg", "dog/text.jpg", "dog/void.png"]
    assert "3 of 23 images are broken" in data.notes[0] and "cat/cut.jpg" in data.notes[0]
    assert len(data.labels) == 20
    whole = load(str(folder_of(tmp_path / "whole")))
    assert torch.equal(data.images, whole.images) and torch.equal(data.labels, whole.labels)
    assert torch.allclose(data.mean, whole.mean)


def test_a_link_to_nowhere_is_a_broken_image(tmp_path):
    root = folder_of(tmp_path / "images")
    (root / "cat" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    data = load(str(root))
    assert len(data.labels) == 20 and [name for name, _ in data.skipped] == ["cat/gone.jpg"]


def test_folders_that_link_in_circles_are_read_once(tmp_path):
    root = folder_of(tmp_path / "images")
    (root / "cat" / "again").symlink_to(root)
    (root / "dog" / "more").symlink_to(folder_of(tmp_path / "more", classes=("x",)) / "x")
    data = load(str(root))
    assert np.bincount(data.labels).tolist() == [10, 20]


def test_names_that_are_no_utf8(tmp_path):
    root = folder_of(tmp_path / "images")
    for name, content in (
        (b"\xff.png", (root / "cat" / "000.png").read_bytes()),
        (b"\xfe.png", b""),
    ):
        Path(os.fsdecode(os.fsencode(root / "cat") + b"/" + name)).write_bytes(content)
    data = load(str(root))
    assert len(data.labels) == 21 and data.skipped[0][0] == "cat/\\udcfe.png"
    data.notes[0].encode()


def test_a_locked_folder_is_said(tmp_path, monkeypatch):
    root = folder_of(tmp_path / "images")
    scandir = os.scandir

    def locked(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match="dog cannot be read: Permission denied; change its rights"):
        load(str(root))


def test_a_class_of_broken_images(tmp_path):
    root = folder_of(tmp_path / "images")
    (root / "emu").mkdir()
    (root / "emu" / "1.jpg").write_text("broken")
    with pytest.raises(DataError, match="`emu` .* has no image to train on; 1 images are broken"):
        load(str(root))
    for path in root.rglob("*.png"):
        path.write_text("broken")
    with pytest.raises(DataError, match="none of the 21 images"):
        load(str(root))


def test_mixed_sizes_need_a_size(tmp_path):
    root = folder_of(tmp_path / "images")
    folder_of(tmp_path / "images", classes=("emu",), size=(40, 20))
    with pytest.raises(DataError, match=r"2 sizes, from 8x8 to 20x40.*`size: 8`"):
        load(str(root))
    assert load({"source": str(root), "size": 16}).input_shape == (3, 16, 16)
    assert load({"source": str(root), "size": [10, 20]}).input_shape == (3, 10, 20)


def test_scaling_keeps_proportions_and_crops_the_centre(tmp_path):
    root = folder_of(tmp_path / "images")
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 255
    PIL.Image.fromarray(wide).save(root / "cat" / "wide.png")
    data = load({"source": str(root), "size": 10})
    assert data.images[10].min() == 255  # the middle third


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", "auto", [120]),
        ("1", "auto", [255]),
        ("I;16", "auto", [120]),
        ("LA", "auto", [255]),  # transparent: the white behind it
        ("RGB", "auto", [10, 120, 250]),
        ("P", "auto", [10, 120, 250]),
        ("RGBA", "auto", [255, 255, 255]),
        ("P with transparency", "auto", [255, 255, 255]),
        ("CMYK", "auto", [10, 120, 250]),
        ("RGB", "grey", [102]),
        ("L", "rgb", [120, 120, 120]),
    ],
)
def test_every_colour_mode(tmp_path, mode, colour, expected):
    image = {
        "L": lambda: PIL.Image.new("L", (4, 4), 120),
        "1": lambda: PIL.Image.new("1", (4, 4), 1),
        "I;16": lambda: PIL.Image.fromarray(np.full((4, 4), 120 << 8, dtype=np.uint16)),
        "LA": lambda: PIL.Image.new("LA", (4, 4), (120, 0)),
        "RGB": lambda: PIL.Image.new("RGB", (4, 4), (10, 120, 250)),
        "P": lambda: PIL.Image.new("RGB", (4, 4), (10, 120, 250)).quantize(4),
        "RGBA": lambda: PIL.Image.new("RGBA", (4, 4), (10, 120, 250, 0)),
        "P with transparency": lambda: PIL.Image.new("P", (4, 4), 0),
        "CMYK": lambda: PIL.Image.new("RGB", (4, 4), (10, 120, 250)).convert("CMYK"),
    }[mode]()
    extra = {"transparency": 0} if mode == "P with transparency" else {}
    suffix = "tif" if mode == "CMYK" else "png"
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(3):
            image.save(tmp_path / "images" / name / f"{number}.{suffix}", **extra)
    data = load({"source": str(tmp_path / "images"), "colour": colour})
    assert data.images[0, 1, 1].tolist() == expected


def test_photos_are_turned_upright(tmp_path):
    root = folder_of(tmp_path / "images", size=(6, 8))
    exif = PIL.Image.Exif()
    exif[274] = 6
    for path in list(root.rglob("*.png")):
        image = PIL.Image.open(path).resize((8, 6))
        image.save(path.with_suffix(".jpg"), exif=exif)
        path.unlink()
    assert load(str(root)).input_shape == (3, 8, 6)


def test_three_images_in_a_class_and_thousands_of_classes(tmp_path):
    labels = np.repeat(np.arange(4_000), 3)
    images = np.zeros((12_000, 2, 2), dtype=np.uint8)
    np.savez(tmp_path / "many.npz", images=images, labels=labels)
    data = load(str(tmp_path / "many.npz"))
    assert len(data.classes) == 4_000
    assert [len(data.part(p)) for p in ("train", "validation", "test")] == [4_000] * 3
    assert data.std.min() > 0  # constant images


def test_classes_too_small_to_validate_are_noted(tmp_path):
    root = folder_of(tmp_path / "images")
    folder_of(root, classes=("emu",), count=1)
    assert load(str(root)).notes == (
        "validation has no image of `emu`",
        "test has no image of `emu`",
    )


@pytest.mark.parametrize(("what", "text"), [("memory", "are free"), ("disk", "PLUGNAS_CACHE")])
def test_too_little_room_is_said_before_decoding(tmp_path, monkeypatch, what, text):
    root = folder_of(tmp_path / "images")
    if what == "memory":
        monkeypatch.setattr("plugnas.nas.data.memory.available_bytes", lambda: 1000)
    else:
        usage = shutil.disk_usage(tmp_path)._replace(free=100)
        monkeypatch.setattr("plugnas.nas.data.memory.shutil.disk_usage", lambda _: usage)
    monkeypatch.setattr(
        "plugnas.nas.data.cache.write_images", lambda *_: pytest.fail("it has started")
    )
    with pytest.raises(DataError, match=f"20 images of 8x8x3 .*{text}"):
        load(str(root))
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_arrays_larger_than_memory_are_said_before_they_are_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "large.npz", images=np.zeros((1000, 8, 8)), labels=np.arange(9))
    monkeypatch.setattr("plugnas.nas.data.memory.available_bytes", lambda: 2**18)
    monkeypatch.setattr("numpy.load", lambda *_, **__: pytest.fail("it has started"))
    with pytest.raises(
        DataError, match=r"take 0.5 MiB of memory and 0.2 MiB are free; store .*uint8"
    ):
        load(str(tmp_path / "large.npz"))


def test_memory_is_read_from_this_machine():
    from plugnas.nas.data.memory import available_bytes

    assert available_bytes() is None or 2**20 < available_bytes() < 2**50


def test_an_unwritable_cache_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="PLUGNAS_CACHE"):
        load("digits")


def test_zip_members_are_not_unpacked_outside(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for name in ("../a/1.png", "../b/1.png"):
            buffer = io.BytesIO()
            PIL.Image.new("L", (3, 3)).save(buffer, "PNG")
            archive.writestr(name, buffer.getvalue())
    with pytest.raises(DataError):
        load(str(tmp_path / "evil.zip"))
    assert not (tmp_path / "a").exists() and not (tmp_path.parent / "a").exists()
