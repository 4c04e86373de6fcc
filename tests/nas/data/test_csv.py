"""CSV files of images: columns, parts, groups, and what is refused."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from plugnas.nas.data import DataError, load
from plugnas.nas.data.groups import split_groups


@pytest.fixture
def folder(tmp_path):
    """Forty images of 6 x 6, class by brightness, four of each of ten patients."""
    (tmp_path / "pictures").mkdir()
    for i in range(40):
        PIL.Image.new("L", (6, 6), 20 + 200 * (i % 2)).save(tmp_path / f"pictures/{i}.png")
    return tmp_path


def rows(**columns):
    """Return the lines of a CSV; a column is a function of the image's number."""
    head = ["file", *columns]
    lines = [",".join([f"pictures/{i}.png", *(str(f(i)) for f in columns.values())])
             for i in range(40)]  # fmt: skip
    return "\n".join([",".join(head), *lines]) + "\n"


def loaded(folder, text, **spec):
    (folder / "labels.csv").write_text(text)
    return load({"source": str(folder / "labels.csv"), **spec}, cache=folder / "cache")


def test_files_and_labels(folder):
    found = loaded(folder, rows(label=lambda i: "bright" if i % 2 else "dark"))
    assert found.classes == ("bright", "dark") and found.input_shape == (1, 6, 6)
    pixels = found.images[:, 0, 0, 0].float()
    assert ((pixels > 100) == (found.labels == 0)).all()
    assert len(found.train) + len(found.validation) + len(found.test) == 40


def test_numbers_are_sorted_as_numbers_and_need_not_start_at_0(folder):
    found = loaded(folder, rows(label=lambda i: [1, 2, 10, 1][i % 4] * 1.0))
    assert found.classes == ("1", "2", "10")


def test_the_split_is_kept(folder):
    found = loaded(
        folder, rows(label=lambda i: i % 2, split=lambda i: ["train", "Val", "test"][i % 3])
    )
    assert (found.train % 3 == 0).all() and len(found.train) == 14
    assert (found.validation % 3 == 1).all() and (found.test % 3 == 2).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_group_stays_in_one_part(folder, seed):
    text = rows(label=lambda i: i % 2, patient=lambda i: f"p{i // 4}")
    found = loaded(folder, text, groups="patient", seed=seed)
    parts = [{int(i) // 4 for i in part} for part in (found.train, found.validation, found.test)]
    assert [len(part) for part in parts] == [6, 2, 2]
    assert len(set.union(*parts)) == 10


def test_other_names_for_the_columns(folder):
    text = rows(label=lambda i: i % 2).replace("file,label", "image_id;dx").replace("png,", "png;")
    found = loaded(folder, text, options={"file": "image_id", "label": "dx"})
    assert found.classes == ("0", "1")


def test_a_class_that_one_group_has_is_trained_on():
    labels = np.array([0, 1] * 10 + [2, 2])
    groups = np.repeat(np.arange(11), 2)
    given = {"train": np.arange(22), "validation": np.arange(0), "test": np.arange(0)}
    for seed in range(5):
        found = split_groups(labels, groups, given, {"validation": 0.2, "test": 0.2}, seed)
        assert {20, 21} <= set(found["train"].tolist())
        assert len(found["validation"]) == 4 and len(found["test"]) == 4


def broken(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


LABELLED = rows(label=lambda i: i % 2)


@pytest.mark.parametrize(
    ("text", "spec", "law"),
    [
        (broken(LABELLED, "label", "lable"), {}, "no column `label`; did you mean `lable`"),
        (broken(LABELLED, "pictures/3.png", "pictures/x.png"), {}, "1 of the 40 files.*x.png"),
        (broken(LABELLED, "pictures/3.png", "pictures/4.png"), {}, "lists pictures/4.png twice"),
        (broken(LABELLED, "3.png,1", "3.png,"), {}, "line 5: the column `label` is empty"),
        (broken(LABELLED, "3.png,1", "3.png,0.5"), {}, "numbers such as 0.5"),
        ("file,label\n", {}, "no row"),
        ("", {}, "it has: nothing"),
        (rows(label=lambda i: 1), {}, "holds one class"),
        (rows(label=lambda i: i % 2, split=lambda i: "trian"), {}, "did you mean `train`"),
        (rows(label=lambda i: i % 2, split=lambda i: ["train", "val"][i % 2]), {}, "to train on"),
        (LABELLED, {"groups": "patient"}, "no column `patient`"),
        (LABELLED, {"options": {"labels": "label"}}, "did you mean `label`"),
        (rows(label=lambda i: i % 2, group=lambda i: i % 2), {}, "2 groups, too few"),
        (
            rows(
                label=lambda i: i % 2,
                group=lambda i: i // 4,
                split=lambda i: ["train", "val"][i // 6 % 2],
            ),
            {},
            "two parts, train and validation",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(folder, text, spec, law):
    with pytest.raises(DataError, match=law):
        loaded(folder, text, **spec)


def test_groups_need_a_csv_file(tmp_path):
    with pytest.raises(DataError, match="a column of a CSV file"):
        load({"source": "digits", "groups": "patient"}, cache=tmp_path)
