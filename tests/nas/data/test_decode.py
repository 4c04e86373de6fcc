"""Opening images alone or by threads: the same images, in the same order, and the same reasons."""

from __future__ import annotations

import threading

import numpy as np
import PIL.Image
import pytest

from plugnas.nas.data import decode
from plugnas.nas.data.decode import each
from plugnas.nas.data.folder import FolderSource


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decode")
    for k in range(40):
        place = folder / "ab"[k % 2]
        place.mkdir(exist_ok=True)
        image = np.full((4, 4, 3), 5 * k, np.uint8)
        PIL.Image.fromarray(image).save(place / f"{k:02}.png")
    for broken in ("a/00.png", "b/39.png"):  # one that is opened alone, one that is not
        (folder / broken).write_bytes(b"no image")
    return FolderSource(folder)


@pytest.mark.parametrize(
    ("small", "by_threads"), [(0.0, True), (1e9, False)], ids=["threads", "alone"]
)
def test_images_come_in_their_order_by_threads_or_alone(monkeypatch, source, small, by_threads):
    monkeypatch.setattr(decode, "_SMALL", small)
    names, helped = source.listing().names, set()

    def work(image):
        helped.add(threading.current_thread() is not threading.main_thread())
        return int(np.asarray(image)[0, 0, 0])

    found = list(each(source, list(range(40)), work))
    assert [index for index, _ in found] == list(range(40))
    for (_, value), name in zip(found, names, strict=True):
        number = int(name[-6:-4])
        if number in (0, 39):
            assert isinstance(value, str) and "cannot identify" in value
        else:
            assert value == 5 * number
    assert (True in helped) == by_threads
