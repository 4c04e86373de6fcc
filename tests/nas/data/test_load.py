"""Images from every kind of source."""

import shutil
import struct
import tarfile

import numpy as np
import pytest
import torch

from plugnas.modules import PlugnasError
from plugnas.nas import data as data_room
from plugnas.nas.data import DataError, load
from plugnas.nas.data.folder import walk
from tests.nas.data.pictures import folder_of


def test_digits_are_the_embedded_ones():
    from sklearn.datasets import load_digits

    data = load("digits")
    assert data.images.shape == (1797, 8, 8, 1) and data.images.dtype == torch.uint8
    assert data.input_shape == (1, 8, 8)
    original = load_digits()
    assert np.array_equal(data.labels.numpy(), original.target)
    expected = np.rint(original.images * 255 / 16).astype(np.uint8)
    assert np.array_equal(data.images[..., 0].numpy(), expected)
    assert data.classes == tuple("0123456789") and not data.mirror
    assert [len(data.part(p)) for p in ("train", "validation", "test")] == [1079, 359, 359]
    pixels = data.images[data.train].double() / 255
    assert data.mean.item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert data.std.item() == pytest.approx(pixels.std(correction=0).item(), abs=1e-6)


def test_a_second_load_maps_the_same_file(tmp_path):
    root = folder_of(tmp_path / "images")
    first = load(str(root))
    shutil.rmtree(tmp_path / "images" / "cat")  # not the same images any more
    with pytest.raises(DataError, match="one class"):
        load(str(root))
    digits = load("digits")
    again = load("digits")
    assert digits.fingerprint == again.fingerprint != first.fingerprint
    again.images[0] = 7  # a private page: neither the file nor the other sees it
    assert not torch.equal(digits.images[0], again.images[0])
    assert torch.equal(load("digits").images, digits.images)


def test_folder_of_classes(tmp_path):
    data = load({"source": str(folder_of(tmp_path / "images")), "validation": 0.2, "test": 0.1})
    assert data.classes == ("cat", "dog") and not data.mirror
    assert data.images.shape == (20, 8, 8, 3)
    assert data.images[13, 0, 0].tolist() == [40, 3, 200] and data.labels[13] == 1
    assert [len(data.part(p)) for p in ("train", "validation", "test")] == [14, 4, 2]
    assert data.notes == () and data.skipped == ()


def test_images_are_normalised_as_the_job_says(tmp_path):
    """Trained weights of a host expect the mean and std that they were trained with."""
    source = str(folder_of(tmp_path / "images"))
    own, given = load(source), load({"source": source, "mean": [0.5, 0.4, 0], "std": [0.2, 0.3, 1]})
    assert given.mean.tolist() == pytest.approx([0.5, 0.4, 0])
    assert given.std.tolist() == pytest.approx([0.2, 0.3, 1])
    assert given.fingerprint != own.fingerprint  # measurements of one are not those of the other
    assert torch.equal(given.images, own.images)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mean": [0.5]}, "go together"),
        ({"mean": [0.5], "std": [0.2, 0.2]}, "go together"),
        ({"mean": [0.5], "std": [0.2]}, "the images have 3, but got 1"),
        ({"mean": [123.0] * 3, "std": [58.0] * 3}, "at most 1"),
        ({"mean": [0.5] * 3, "std": [0.2, 0.2, 0]}, "above 0"),
    ],
)
def test_a_mean_or_std_that_cannot_be_is_refused(tmp_path, values, said):
    with pytest.raises(PlugnasError, match=said):
        load({"source": str(folder_of(tmp_path / "images")), **values})


def test_relative_paths_start_at_the_base(tmp_path):
    folder_of(tmp_path / "job" / "images")
    assert len(load("images", base=tmp_path / "job").labels) == 20


def test_given_parts_are_kept(tmp_path):
    root = folder_of(tmp_path / "images", parts=("train", "val", "test"))
    data = load(str(root))
    assert [len(data.part(p)) for p in ("train", "validation", "test")] == [20, 20, 20]
    folder_of(tmp_path / "two", parts=("Train", "testing"))
    data = load(str(tmp_path / "two"))
    assert [len(data.part(p)) for p in ("train", "validation", "test")] == [16, 4, 20]


def test_train_can_be_a_class(tmp_path):
    data = load(str(folder_of(tmp_path / "vehicles", classes=("bus", "car", "train"))))
    assert data.classes == ("bus", "car", "train")


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz", ".zip"])
def test_archives_read_as_the_folder_does(tmp_path, suffix):
    root = folder_of(tmp_path / "pets", parts=("train", "test"))
    (root / "train" / "cat" / "._000.png").write_bytes(b"of a Mac")
    kind = {".tar.xz": "xztar", ".tar.gz": "gztar", ".zip": "zip"}[suffix]
    archive = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path, "pets")
    ours, theirs = load(archive), load(str(root))
    assert archive.endswith(suffix)
    for part in ("train", "validation", "test"):
        assert torch.equal(ours.part(part), theirs.part(part))
    assert torch.equal(ours.images, theirs.images) and torch.equal(ours.labels, theirs.labels)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["cache", "pets"]


def test_archives_with_a_dot_before_each_path(tmp_path):
    root = folder_of(tmp_path / "pets")
    with tarfile.open(tmp_path / "dots.tar", "w") as archive:
        archive.add(root, arcname=".")
    assert load(str(tmp_path / "dots.tar")).classes == ("cat", "dog")


@pytest.mark.parametrize(
    "names",
    [
        {"train": ("images", "labels")},
        {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},
        {"train": ("train_images", "train_labels"), "validation": ("val_images", "val_labels")},
    ],
)
@pytest.mark.parametrize("kind", ["bytes", "floats", "channels first", "column of labels"])
def test_npz(tmp_path, names, kind):
    rng = np.random.default_rng(0)
    arrays, expected = {}, []
    for images_name, labels_name in names.values():
        images = rng.integers(0, 256, (12, 5, 6, 3), dtype=np.uint8)
        labels = np.arange(12) % 3 * 10
        expected.append(images)
        arrays[images_name] = {
            "floats": images / 255,
            "channels first": images.transpose(0, 3, 1, 2),
        }.get(kind, images)
        arrays[labels_name] = labels[:, None] if kind == "column of labels" else labels
    np.savez(tmp_path / "set.npz", **arrays)
    data = load(str(tmp_path / "set.npz"))
    assert np.array_equal(data.images.numpy(), np.concatenate(expected))
    assert data.classes == ("0", "10", "20") and data.input_shape == (3, 5, 6)
    for part in set(names) - {"train"}:
        assert data.part(part).tolist() == list(range(12, 24))


def test_npz_with_named_classes_and_grey(tmp_path):
    images = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    np.savez(tmp_path / "s.npz", images=images, labels=[0, 1, 0, 1], classes=["a", "b"])
    data = load(str(tmp_path / "s.npz"))
    assert data.classes == ("a", "b") and data.images.shape == (4, 3, 3, 1)


@pytest.mark.parametrize("channels", [2, 4, 5, 16])
@pytest.mark.parametrize("first", [False, True])
def test_npz_channels_are_taken_as_they_are(tmp_path, channels, first):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 9, 9, channels), dtype=np.uint8)
    stored = images.transpose(0, 3, 1, 2) if first else images
    np.savez(tmp_path / "s.npz", images=stored, labels=np.arange(12) % 2)
    data = load(str(tmp_path / "s.npz"))
    assert data.input_shape == (channels, 9, 9)
    assert np.array_equal(data.images.numpy(), images)
    assert data.mean.shape == (channels,)
    smaller = load({"source": str(tmp_path / "s.npz"), "size": 3})
    assert smaller.input_shape == (channels, 3, 3)


def test_npz_of_too_many_channels_or_unlike_parts(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.random((8, 20, 20, 17)), "y_train": np.arange(8) % 2}
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(DataError, match="C from 1 to 16"):
        load(str(tmp_path / "s.npz"))
    arrays = {"x_train": rng.random((8, 5, 5, 4)), "y_train": np.arange(8) % 2}
    arrays |= {"x_test": rng.random((8, 5, 5, 3)), "y_test": np.arange(8) % 2}
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(DataError, match="have 3, 4 channels"):
        load(str(tmp_path / "s.npz"))


def test_labels_that_are_no_numbers_are_no_class(tmp_path):
    labels = np.array([0, 1, np.nan, 1, 0, np.nan])
    np.savez(tmp_path / "s.npz", images=np.zeros((6, 4, 4)), labels=labels)
    with pytest.raises(DataError, match="2 labels in `labels` .* are no numbers"):
        load(str(tmp_path / "s.npz"))


def test_each_file_is_read_once_through_links(tmp_path):
    root = folder_of(tmp_path / "pets")
    plain = load(str(root))
    (root / "cat" / "up").symlink_to(root)
    (root / "cat" / "beside").symlink_to(root / "dog")
    (root / "dog" / "back").symlink_to(root / "cat")
    linked = load(str(root))
    assert len(linked.labels) == len(plain.labels)
    assert linked.labels.tolist() == plain.labels.tolist()
    assert any("a second time; each is read once" in note for note in linked.notes)


def _mnist(root, count=60):
    """Write a tiny set in MNIST's own file format."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = (np.arange(count) % 10).astype(np.uint8)
    for part in ("train", "t10k"):
        head = struct.pack(">IIII", 0x803, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">II", 0x801, count)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return images


def test_torchvision_set(tmp_path):
    images = _mnist(tmp_path / "root")
    data = load({"source": "MNIST", "root": str(tmp_path / "root"), "size": None})
    assert np.array_equal(data.images[:60, :, :, 0].numpy(), images)
    assert len(data.test) == 60 and not data.mirror and len(data.classes) == 10


def test_torchvision_set_without_parts(tmp_path):
    tmp_path.joinpath("empty").mkdir()
    options = {"size": 30, "image_size": (3, 6, 6), "num_classes": 3}
    data = load({"source": "FakeData", "root": str(tmp_path / "empty"), "options": options})
    assert data.input_shape == (3, 6, 6) and len(data.labels) == 30


def test_a_limit_reads_less(tmp_path):
    root = folder_of(tmp_path / "images", parts=("train", "test"))
    data = load({"source": str(root), "limit": 10})
    assert len(data.labels) == 20 and len(data.test) == 10
    assert np.bincount(data.labels).tolist() == [10, 10]


def test_public_names():
    assert set(data_room.__all__) == {
        "IGNORED",
        "DataError",
        "DataSpec",
        "Dataset",
        "load",
        "parse",
    }


def test_digits_are_the_embedded_ones_beside_a_folder_of_that_name(tmp_path):
    (tmp_path / "digits").mkdir()
    assert load("digits", base=tmp_path, cache=tmp_path / "cache").name == "digits"


def test_a_folder_is_walked_through_once(tmp_path, monkeypatch):
    walked = []

    def counting(top):
        walked.append(top)
        return walk(top)

    monkeypatch.setattr("plugnas.nas.data.folder.walk", counting)
    load(str(folder_of(tmp_path / "set")), cache=tmp_path / "cache")
    assert walked == [tmp_path / "set"]


def test_sums_and_moments_are_those_of_the_pixels(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 9, 11, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(30) % 2)
    dataset = load(str(tmp_path / "set.npz"), cache=tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob("*/sums.npy")
    shares = images.astype(np.float64) / 255
    expected = np.stack([shares.sum((1, 2)), (shares**2).sum((1, 2))], axis=2)
    np.testing.assert_allclose(np.load(path), expected, rtol=1e-13)
    train = shares[dataset.train.numpy()]
    np.testing.assert_allclose(dataset.mean.numpy(), train.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(dataset.std.numpy(), train.std((0, 1, 2)), rtol=1e-6)
