"""Reports call modules as the job does."""

from __future__ import annotations

import json

from plugnas.nas.explain.report import explain_run
from plugnas.nas.report.data import gather
from plugnas.nas.report.front import to_text
from plugnas.nas.run.names import called, names_of
from plugnas.nas.run.view import RunView
from tests.nas.report.synthetic_run import SPACE, make_run


def test_a_choice_keeps_its_settings():
    assert called("swish", {"swish": "silu"}) == "silu"
    assert called("swish(beta=2)", {"swish": "silu"}) == "silu(beta=2)"
    assert called("cbam", {"swish": "silu"}) == "cbam"


def test_a_job_s_own_names_stand_in_its_reports(tmp_path):
    space = json.loads(json.dumps(SPACE).replace('"se"', '"SqueezeExcitation"'))
    view = RunView.open(make_run(tmp_path / "run", trials=30, space=space))
    assert names_of(view.directory) == {"se": "SqueezeExcitation"}
    text = to_text(view) + json.dumps(gather(view)["networks"])
    assert "+SqueezeExcitation" in text
    assert '"se"' not in text
    effects = {e.choice for e in explain_run(view).model.effects}
    assert "SqueezeExcitation" in effects
    assert "se" not in effects
