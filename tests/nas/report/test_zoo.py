"""The zoo as data: what it says of costs and settings is true, and the page is not stale."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from plugnas import modules
from plugnas.modules import PlugnasError, Site
from plugnas.nas.report import zoo as zoo_report

PAGE = Path(__file__).parents[3] / "docs" / "zoo.md"


@cache
def _page() -> str:
    return zoo_report.markdown()


def test_page_is_not_stale():
    assert PAGE.read_text(encoding="utf-8") == _page(), (
        "docs/zoo.md is stale: write it anew with `nas modules --markdown > docs/zoo.md`"
    )


def test_page_has_a_row_of_eight_cells_for_every_key():
    rows = [line for line in _page().splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(e.key for e in modules.entries())
    assert {row.replace("\\|", "").count("|") for row in rows} == {9}
    assert "| - |" not in _page()
    assert "refused" not in _page()


def test_page_marks_the_default_and_links_the_paper():
    (row,) = [line for line in _page().splitlines() if line.startswith("| `strip_pooling`")]
    assert "form spm **mpm**; pool_sizes **(20,12)** (12,6) (6,3)" in row
    assert "| [arXiv:2003.13328](https://arxiv.org/abs/2003.13328), 2020" in row
    (row,) = [line for line in _page().splitlines() if line.startswith("| `criss_cross`")]
    assert row.endswith(", 2018; [code](https://github.com/speedinghzl/CCNet) (MIT) |")


@pytest.mark.parametrize(
    ("text", "site"), [("64x32x32", Site(64, 32, 32)), ("3x1x224", Site(3, 1, 224))]
)
def test_site_is_read(text, site):
    assert zoo_report.parse_site(text) == site


@pytest.mark.parametrize("text", ["64", "64x32", "64x32x32x1", "0x8x8", "axbxc", "64x32x-1", ""])
def test_bad_site_names_the_form(text):
    with pytest.raises(PlugnasError, match="CxHxW, such as 64x32x32"):
        zoo_report.parse_site(text)


def test_costs_by_hand():
    at = Site(6, 5, 7)
    conv = zoo_report.cost_at(modules.get("conv"), at, {"kernel_size": 5})
    assert conv == {"params": 900, "macs": 900 * 35, "flops": 1800 * 35, "elementwise": 0}
    # Deploy form: conv and norm are one convolution with bias.
    fused = zoo_report.cost_at(modules.get("fused_conv_bn"), at, {"kernel_size": 3})
    assert (fused["params"], fused["macs"]) == (36 * 9 + 6, 36 * 9 * 35)
    relu = zoo_report.cost_at(modules.get("relu"), at)
    assert relu == {"params": 0, "macs": 0, "flops": 0, "elementwise": 6 * 35}
    # A sequence is one row of the map: its cost does not depend on the height.
    row = modules.get("dilated_inception")
    assert zoo_report.cost_at(row, at) == zoo_report.cost_at(row, Site(6, 50, 7))


def test_refused_setting_has_a_reason_and_no_cost():
    entry = modules.get("cru")
    cost = zoo_report.cost_at(entry, Site(1, 3, 3))
    assert set(cost) == {"refused"}
    assert cost["refused"] == entry.refusal(Site(1, 3, 3))
    data = zoo_report.describe_fully(entry, Site(1, 3, 3))
    assert all("refused" in row for row in data["settings"])
    assert data["refusals"]


def test_settings_listed_are_those_that_matter_with_one_default(monkeypatch):
    monkeypatch.setattr(zoo_report, "cost_at", lambda *_: {})  # not what is looked at
    for entry in modules.entries():
        rows = zoo_report.describe_fully(entry, Site(16, 4, 4))["settings"]
        assert sum(row["default"] for row in rows) == 1, entry.key
        seen = [tuple(row["setting"].items()) for row in rows]
        assert len(set(seen)) == len(seen), entry.key
    full = zoo_report.describe_fully(modules.get("aft"), Site(16, 4, 4))
    assert {"mode": "simple"} in [row["setting"] for row in full["settings"]]
    assert full["only_with"]["window"] == {"setting": "mode", "values": ["local"]}


def test_description_in_full():
    data = zoo_report.describe_fully(modules.get("mixconv"), Site(16, 4, 4))
    assert (data["key"], data["aliases"]) == ("mixed_depthwise", ["mixconv", "MixConv2d", "MixNet"])
    assert data["choices"]["kernel_sizes"] == ["3,5", "3,5,7", "3,5,7,9"]
    assert data["signature"].startswith("MixedDepthwise(in_channels: int, out_channels: int, *,")
    assert "None" not in data["signature"]
    assert data["documentation"].startswith(data["summary"])
    assert data["stands_in"] == ["operator"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (12345678, "12.3M"), (999_999, "1M"), (2e12, "2T")],
)
def test_short_numbers(number, text):
    assert zoo_report.short(number) == text
