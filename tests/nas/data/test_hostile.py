"""Files that say more than they are: a sentence, and neither memory nor disk is taken."""

from __future__ import annotations

import fcntl
import io
import struct
import tarfile
import zipfile

import numpy as np
import PIL.Image
import pytest

from plugnas.nas.data import DataError, decode, folder, load
from plugnas.nas.data.npz import read_npz


def png(size=(4, 4)):
    file = io.BytesIO()
    PIL.Image.new("RGB", size).save(file, "png")
    return file.getvalue()


def npy(shape, data=b""):
    head = str({"descr": "|u1", "fortran_order": False, "shape": shape}).encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_npz_header_of_200_gb(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "large.npz", "w", kind) as file:
        file.writestr("images.npy", npy((200_000_000, 32, 32), b"\0" * 100))
        file.writestr("labels.npy", npy((2,), b"\0\1"))
    with pytest.raises(DataError, match="says that it is .* 204800000000 bytes, but has 100"):
        load(str(tmp_path / "large.npz"))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, save):
    rng = np.random.default_rng(0)
    given = {
        "images": rng.integers(0, 255, (5, 4, 3, 3), dtype=np.uint8),
        "order": np.asfortranarray(rng.normal(size=(3, 4))),
        "labels": np.array([1, 0, 1, 1, 0]),
        "classes": np.array(["cat", "dog"]),
        "none": np.empty((0, 3)),
        "one": np.array(7.5),
    }
    save(tmp_path / "some.npz", **given)
    found = read_npz(tmp_path / "some.npz")
    assert found.keys() == given.keys()
    for name, array in given.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array), name


def test_a_flipped_bit_in_a_stored_array_is_found(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, images=np.full((9, 4, 4), 7, dtype=np.uint8), labels=np.arange(9) % 2)
    data = bytearray(path.read_bytes())
    data[data.index(b"\7" * 16) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read as .npz: Bad CRC-32"):
        load(str(path))


@pytest.mark.parametrize("name", ["/etc/cat/1.png", "../../cat/1.png", "C:/cat/1.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leads_out_of_an_archive(tmp_path, kind, name):
    path = tmp_path / f"images.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, png())
    else:
        with tarfile.open(path, "w") as file:
            member = tarfile.TarInfo(name)
            member.size = len(png())
            file.addfile(member, io.BytesIO(png()))
    with pytest.raises(DataError, match="paths below its own folder alone; pack it anew"):
        load(str(path))


def test_a_member_that_is_no_file_of_one_image(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "LARGEST", 2**20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("cat/1.png", b"\0" * (2**20 + 1))
        file.writestr("dog/1.png", png())
    with pytest.raises(DataError, match=r"`cat/1.png` in the archive takes 1.0 MiB unpacked, and"):
        load(str(tmp_path / "bomb.zip"))


def test_unpacked_files_wait_in_small_lots(monkeypatch):
    monkeypatch.setattr(decode, "_HELD", 1000)
    openers = ((i, folder.Packed(b"\0" * 400)) for i in range(10))
    assert [len(decode._batch(openers, 256)) for _ in range(5)] == [3, 3, 3, 1, 0]


def test_a_cache_whose_file_system_has_no_locks(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(DataError, match="Input.output error.*PLUGNAS_CACHE"):
        load("digits")
