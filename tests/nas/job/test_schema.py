"""Every key of a job is explained, and the schema takes the jobs that ship."""

from __future__ import annotations

import json

import msgspec
import pytest

from plugnas.nas.cli import main
from plugnas.nas.job.schema import descriptions, page, schema, structs


@pytest.mark.parametrize("kind", structs(), ids=lambda kind: kind.__name__)
def test_every_field_has_a_sentence(kind):
    told = descriptions(kind)
    missing = [field.name for field in msgspec.structs.fields(kind) if not told.get(field.name)]
    assert not missing


def test_the_schema_names_every_key_and_no_other():
    found = schema()
    job = found["$defs"]["Job"]
    assert job["additionalProperties"] is False and job["required"] == ["space"]
    assert {"space", "import", "data", "objectives", "budget", "proxy"} <= set(job["properties"])
    assert all("description" in entry for entry in job["properties"].values())
    references = json.dumps(found)
    for name in found["$defs"]:
        assert f"#/$defs/{name}" in references


def test_the_schema_has_the_ranges():
    """An editor marks a value that a job would refuse."""
    recipe, data = (schema()["$defs"][name]["properties"] for name in ("Recipe", "DataSpec"))
    assert recipe["epochs"]["minimum"] == 1 and recipe["learning_rate"]["exclusiveMinimum"] == 0
    assert recipe["momentum"]["exclusiveMaximum"] == 1 and recipe["erasing"]["maximum"] == 1
    assert data["validation"]["exclusiveMinimum"] == 0 and data["seed"]["minimum"] == 0


def test_the_commands(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$ref"] == "#/$defs/Job"
    assert main(["schema", "--markdown"]) == 0
    assert "| `trials` | `100` |" in capsys.readouterr().out
    assert "## Recipe" in page()
