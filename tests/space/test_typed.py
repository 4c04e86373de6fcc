"""YAML files that say more than they are, or are none."""

from __future__ import annotations

import os

import pytest

from plugnas.space import typed
from plugnas.space.typed import ConfigError, read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, r"with its aliases \(`\*name`\) it has over 1000000 values"),
        ("a: &a [1, *a]", "over 1000000 values"),
        ("a: 2020-13-45", "month must be in 1..12"),
        (f"a: {'9' * 5000}", "Exceeds the limit|digits"),
        ("[" * 3000, "nested too deeply|expected"),
    ],
)
def test_yaml_that_is_too_much_is_a_sentence(tmp_path, text, words):
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_yaml(tmp_path / "job.yaml")
    assert "not valid YAML" in str(caught.value)


def test_aliases_that_stand_for_little_are_read(tmp_path):
    (tmp_path / "job.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\nc: {<<: {d: 1}}\n")
    assert read_yaml(tmp_path / "job.yaml") == {"a": [1, 2], "b": [[1, 2]] * 2, "c": {"d": 1}}


def test_a_pipe_a_device_and_a_file_that_is_no_job(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "device.yaml"):
        with pytest.raises(ConfigError, match="is no regular file"):
            read_yaml(tmp_path / name)
    monkeypatch.setattr(typed, "LARGEST", 10)
    (tmp_path / "job.yaml").write_text("a: 1 # and much more")
    with pytest.raises(ConfigError, match="has 20 bytes, and a YAML file of ours at most 10"):
        read_yaml(tmp_path / "job.yaml")
