"""The arrays of an ``.npz`` file: mapped where they are stored, in memory where compressed."""

from __future__ import annotations

import io
import math
import mmap
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from plugnas.nas.data.memory import check_memory, let_go

_STEP = 2**24
"""Bytes of which the checksum is taken at a time."""

_LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name.

    What ``numpy.savez`` stored is mapped from the file, so that it takes no memory of its own; what
    was compressed is unpacked into memory, if it has room there.

    Raises:
        ValueError: an array is none, holds Python objects, or has another size than it says.
        DataError: the memory is too small.
        OSError, zipfile.BadZipFile, zlib.error: the file cannot be read.
    """
    with zipfile.ZipFile(path) as file, path.open("rb") as raw:
        members = {m.filename.removesuffix(".npy"): m for m in file.infolist()}
        packed = sum(m.file_size for m in members.values() if m.compress_type)
        remedy = "store images as bytes (uint8), or as files in a folder"
        check_memory(packed, f"the arrays of {path}", remedy)
        whole = mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ)
        found = {}
        for name, member in members.items():
            if member.compress_type:
                data: memoryview | bytes = file.read(member)
            else:
                data = _stored(whole, member)
            found[name] = _array(name, data)
        return found


def _stored(whole: mmap.mmap, member: zipfile.ZipInfo) -> memoryview:
    """Return the bytes of a member that is not compressed."""
    start = member.header_offset
    name, extra = struct.unpack("<HH", whole[start + 26 : start + _LOCAL_HEADER])
    start += _LOCAL_HEADER + name + extra
    data = memoryview(whole)[start : start + member.file_size]
    found = 0
    for at in range(0, len(data), _STEP):
        found = zlib.crc32(data[at : at + _STEP], found)
        let_go(whole)
    if found != member.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {member.filename!r}")
    return data


def _array(name: str, data: memoryview | bytes) -> np.ndarray:
    """Return the array that a .npy file's bytes hold, without a copy of them."""
    head = io.BytesIO(data[:65536])
    version = np.lib.format.read_magic(head)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(head)
    if dtype.hasobject:
        raise ValueError(f"`{name}` holds Python objects")
    start, count = head.tell(), math.prod(shape)
    if count * dtype.itemsize > len(data) - start:
        raise ValueError(
            f"`{name}` says that it is {shape} of {dtype}, {count * dtype.itemsize} bytes, but has "
            f"{len(data) - start}"
        )
    if not count:
        return np.empty(shape, dtype)
    flat = np.frombuffer(data, dtype=dtype, count=count, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")


__all__ = ["read_npz"]
