"""One synthetic run for all tests of the report."""

from __future__ import annotations

import pytest

from plugnas.nas.run.view import RunView
from tests.nas.report.synthetic_run import make_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("report") / "run", trials=60)


@pytest.fixture
def view(run):
    return RunView.open(run)
