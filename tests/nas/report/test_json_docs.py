"""docs/json.md names every key that is printed, and no key of a table that is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plugnas import nas
from plugnas.nas.cli import main
from plugnas.nas.explain.report import explain_run
from plugnas.nas.report.data import gather
from plugnas.nas.report.front import to_json
from plugnas.nas.run.view import RunView

TEXT = (Path(nas.__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z_]+)`", TEXT))


def section(title):
    return next(part for part in TEXT.split("\n## ") if part.startswith(title))


def missing(keys, title):
    named = set(re.findall(r"`([a-z_0-9]+)`", section(title)))
    return set(keys) - named


COSTS = {"params", "macs", "flops", "elementwise", "memory"}


def test_the_front(view):
    data = to_json(view)
    assert not missing(data, "`nas front")
    assert not missing(set(data["front"][0]) - COSTS, "`nas front")


def test_the_explanation(view):
    data = explain_run(view).to_dict()
    assert not missing(data, "`nas explain")
    assert not missing(data["model"], "`nas explain")
    assert not missing(data["model"]["effects"][0], "`nas explain")


def test_the_page(run):
    data = gather(RunView.open(run))
    assert not missing(data, "`report.html")
    for name in ("networks", "parts"):
        assert not missing(data[name][0], "`report.html")


def test_the_ledger_and_the_table(view):
    lines = [json.loads(line) for line in view.run.ledger.read_text().splitlines()]
    assert not missing(set(lines[0]), "`RUN/ledger")
    assert not missing(set(lines[1]), "`RUN/ledger")
    flat = view.measurements[0].flat()
    assert set(flat) - NAMED <= set(view.measurements[0].architecture.values)
    assert not any(isinstance(value, dict | list | tuple) for value in flat.values())


def test_the_other_commands(view, capsys):
    """Keys as printed by the commands themselves, also those of what they nest."""

    def printed(*words):
        assert main([str(word) for word in words]) == 0
        return json.loads(capsys.readouterr().out)

    path = view.run.path
    found = printed("status", path, "--json")
    assert not missing(
        [*found, *(set(found["front"][0]) - set(found["objectives"]))], "`nas status"
    )
    found = printed("space", path, "--samples", 20, "--json")
    ranges = found["costs"]["flops"]
    assert not missing([*found, *found["parameters"][0], *ranges], "`nas space")
    found = printed("cost", path, "--json")
    assert not missing([*found, *found["parts"][0]], "`nas cost")
    found = printed("modules", "se", "--json")
    assert not missing([*found, *found["settings"][0], *found["cost"]], "`nas modules")
    argv = ["latency", path, "--sample", 2, "--rounds", 2, "--limit", 9, "--json"]
    found = printed(*argv)
    keys = [*found, *found["figures"][0], *found["conditions"]]
    assert not missing(keys, "`nas latency")


@pytest.mark.parametrize("title", ["`nas front", "`nas explain", "`nas confirm"])
def test_tables_name_only_what_exists(title, view):
    known = json.dumps([to_json(view), explain_run(view).to_dict()])
    if title == "`nas confirm":
        pytest.importorskip("plugnas.nas.confirm")
        from plugnas.nas.confirm.outcome import Confirmation

        known = json.dumps(
            ["recipe", "recipe_varies", "test_images", *Confirmation.__dataclass_fields__]
        )
    rows = re.findall(r"^\| (`[^|]*) \|", section(title), re.MULTILINE)
    for row in rows:
        for key in re.findall(r"`([a-z_]+)`", row):
            assert f'"{key}"' in known, key
