"""A host's front is confirmed beside the host unchanged and placebos of equal parameters."""

from __future__ import annotations

from plugnas.nas.confirm import confirm, read
from plugnas.nas.confirm.text import to_text as confirmed_text
from plugnas.nas.run.view import RunView
from tests.nas.host_run import make_host_run


def test_a_front_is_confirmed_beside_host_and_placebos(tmp_path):
    run = make_host_run(tmp_path / "run", confirm={"seeds": 2, "epochs": 1})
    view = RunView.open(run)
    found = confirm(view)
    assert read(RunView.open(run)) == found and found.missing == 0
    (host,) = found.of("host")
    assert host.id == view.controls[0].id
    plugged = [m for m in found.of("front") if m.id != host.id]
    assert len(plugged) == len(view.front) - 1
    assert len(found.of("placebo")) == len(set(found.about["placebo"].values())) > 0
    assert not found.of("control") and found.luck is None
    text = confirmed_text(found)
    assert "the host unchanged with" in text
    for m in plugged:
        assert f"{m.id[:6]}: " in text
    assert "over the host unchanged" in text and "over its placebo" in text
