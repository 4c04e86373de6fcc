"""Boxes in COCO's JSON: what is read, and what is refused."""

from __future__ import annotations

import json
import shutil

import PIL.Image
import pytest
import torch

from plugnas.nas.data import DataError
from plugnas.nas.data.coco import read_coco


def written(folder, **changes):
    """Write two images of 20 x 30 and three boxes; return the folder."""
    (folder / "images").mkdir(parents=True)
    for name, value in (("a.png", 10), ("b.png", 200)):
        PIL.Image.new("RGB", (30, 20), (value, 0, 0)).save(folder / "images" / name)
    box = {"image_id": 7, "category_id": 5, "bbox": [1, 2, 10, 4.5]}
    text = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 3, "file_name": "b.png"}],
        "categories": [{"id": 9, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [
            box,
            {**box, "category_id": 9, "bbox": [0, 0, 30, 20]},
            {**box, "image_id": 3, "iscrowd": 1},
        ],
        **changes,
    }
    (folder / "boxes.json").write_text(json.dumps(text))
    return folder


def read(folder, **options):
    return read_coco(folder, "boxes.json", "images", **options)


def test_boxes_are_corners_and_classes_follow_their_numbers(tmp_path):
    found = read(written(tmp_path / "set"))
    assert found.images.shape == (2, 3, 20, 30) and found.images.dtype == torch.uint8
    assert found.images[:, 0, 0, 0].tolist() == [10, 200]
    assert found.classes == ("dog", "cat")
    assert found.boxes[0].tolist() == [[1, 2, 11, 6.5], [0, 0, 30, 20]]
    assert found.labels[0].tolist() == [0, 1]
    assert found.boxes[1].shape == (0, 4) and found.labels[1].shape == (0,)  # a crowd is left out


def test_another_size_stretches_images_and_boxes_alike(tmp_path):
    found = read(written(tmp_path / "set"), size=(10, 60))
    assert found.images.shape == (2, 3, 10, 60)
    assert found.boxes[0].tolist() == [[2, 1, 22, 3.25], [0, 0, 60, 10]]


@pytest.mark.parametrize("kind", ["gztar", "zip"])
def test_an_archive_is_read_as_its_folder(tmp_path, kind):
    folder = written(tmp_path / "in" / "set")
    packed = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "in")
    assert read(packed).boxes[0].equal(read(folder).boxes[0])
    with pytest.raises(DataError, match="holds no file boxes.jsn"):
        read_coco(packed, "boxes.jsn", "images")


BOX = {"image_id": 7, "category_id": 5, "bbox": [1, 2, 10, 4]}


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"annotations": [{**BOX, "category_id": 6}]}, "category_id 6, which the file does not"),
        ({"annotations": [{**BOX, "image_id": 1}]}, "image_id 1, which the file does not"),
        ({"annotations": [{**BOX, "bbox": [1, 2, 0, 4]}]}, "with an area above 0"),
        ({"annotations": [{**BOX, "bbox": "1 2 3 4"}]}, "with an area above 0"),
        ({"annotations": [{**BOX, "bbox": [1, 2, 10, 40]}]}, "outside its 20x30 pixels"),
        ({"images": []}, "names no image"),
        ({"images": [{"id": 7, "file_name": "c.png"}]}, "c.png does not exist"),
        ({"categories": None}, "holds the lists images, annotations, categories"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, law):
    with pytest.raises(DataError, match=law):
        read(written(tmp_path / "set", **changes))


def test_files_that_are_none(tmp_path):
    folder = written(tmp_path / "set")
    (folder / "boxes.json").write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        read(folder)
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nowhere")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="cannot be read as an archive"):
        read(tmp_path / "cut.zip")


def test_images_of_two_sizes_need_a_size(tmp_path):
    folder = written(tmp_path / "set")
    PIL.Image.new("L", (8, 8)).save(folder / "images" / "b.png")
    with pytest.raises(DataError, match="8x8 pixels where the first image has 20x30; give `size`"):
        read(folder)
    assert read(folder, size=(20, 30)).images.shape == (2, 3, 20, 30)
