"""`nas modules`: the listing, one module, JSON, and what is said of bad input."""

from __future__ import annotations

import argparse
import json

import pytest

from plugnas import modules
from plugnas.modules import PlugnasError
from plugnas.nas.cli import modules as command
from plugnas.nas.report import zoo


@pytest.fixture
def nas_modules(capsys):
    def run(*words: str) -> str:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        assert command.run(parser.parse_args(words)) == 0
        return capsys.readouterr().out

    return run


def test_listing_has_every_key_once_under_its_slot_and_family(nas_modules):
    slot = family = None
    found = []
    for line in nas_modules().splitlines()[:-1]:
        if line[:1].isupper():
            slot = line.split()[0].lower()
        elif line.startswith("  "):
            found.append((slot, family, line.split()[0]))
        elif line:
            family = line.strip()
    assert found == [(e.slot, e.family, e.key) for e in modules.entries()]


def test_listing_shows_source_cost_and_choices(nas_modules):
    out = nas_modules("--slot", "attention", "--family", "channel", "--site", "32x8x8")
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["se"]]
    assert line.split() == [
        "se",
        "2017",
        "128",
        "256",
        "4.13k",
        "arXiv:1709.01507",
        "reduction",
        "4",
        "8",
        "16",
    ]
    assert "ATTENTION" in out
    assert "OPERATOR" not in out
    assert "at 32x8x8, batch 1" in out


def test_origin_is_shown_with_its_licence(nas_modules):
    out = nas_modules("criss_cross", "--site", "16x4x4")
    assert "the authors' code: https://github.com/speedinghzl/CCNet (MIT); the module here" in out
    out = nas_modules("gam", "--site", "16x4x4")
    assert "no code of the authors was found in November 2026; their account" in out
    assert "the module here is written from the paper" in out
    out = nas_modules("relu", "--site", "16x4x4")
    assert "a layer of every library, not of one paper" in out
    assert "authors" not in out


def test_listing_goes_on_where_a_module_is_refused(nas_modules):
    out = nas_modules("--slot", modules.get("cru").slot, "--site", "1x1x1")
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["cru"]]
    assert line.split()[2] == "refused"


def test_one_module(nas_modules):
    out = nas_modules("scse", "--site", "16x4x4")
    assert out.startswith("scse: Concurrent spatial and channel squeeze and excitation (arXiv:")
    for part in (
        "SCSE(channels: int, *, reduction: int = 2, mode: str = 'add')",
        "forward: (B, C, H, W) -> same",
        "can stand in: operator, attention, context",
        "Departs from circulating code",
        "cost at 16x4x4, batch 1",
        "export: pt2: yes",
    ):
        assert part in out
    rows = [line for line in out.splitlines() if "mode=" in line]
    assert len(rows) == len(list(modules.get("scse").settings()))
    assert [line for line in rows if line.startswith("*")] == [rows[0]]
    assert rows[3].split() == ["mode=spatial", "17", "512", *rows[3].split()[3:]]
    assert "reduction has an effect only where mode is add or max or channel" in out


def test_one_module_says_why_a_setting_is_refused(nas_modules):
    out = nas_modules("cru", "--site", "1x3x3")
    assert "refused: splitting the channels in two needs at least 2, but got 1" in out


def test_alias_and_deploy_form(nas_modules):
    assert nas_modules("mixconv").startswith("mixed_depthwise: ")
    assert "deploy form: its own" in nas_modules("ac_block")
    assert "deploy form: its own" not in nas_modules("se")


def test_json(nas_modules):
    listed = json.loads(nas_modules("--slot", "pooling", "--json"))
    assert [row["key"] for row in listed] == [e.key for e in modules.entries("pooling")]
    assert listed[0]["site"] == "64x32x32"
    one = json.loads(nas_modules("se", "--json", "--site", "32x8x8"))
    assert one["settings"][0] == {
        "setting": {"reduction": 4}, "default": False,
        "params": 512, "macs": 512, "flops": 1024, "elementwise": one["cost"]["elementwise"] + 6,
    }  # fmt: skip
    assert one["export"] == {"pt2": "yes", "onnx": one["export"]["onnx"]}


def test_markdown_is_the_page_at_the_site(nas_modules, monkeypatch):
    """Of the whole zoo: tests/nas/report/test_zoo.py."""
    monkeypatch.setattr(zoo, "markdown", lambda site: f"the page at {site.height}x{site.width}\n")
    assert nas_modules("--markdown", "--site", "8x4x5") == "the page at 4x5\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["CoordAttn2"], "did you mean `coord_attention`?"),
        (["squeeze"], "`se`"),
        (["se", "--slot", "operator"], "--slot and --family narrow the listing"),
        (["--markdown", "--family", "channel"], "--markdown is the whole zoo"),
        (["cbma"], "no module `cbma` in the zoo; did you mean `cbam`?"),
        (["--slot", "atention"], "no slot `atention`; did you mean `attention`?"),
        (["--family", "chanel"], "did you mean `channel`?"),
        (["--site", "64x32"], "a site is CxHxW, such as 64x32x32, but got `64x32`"),
        (["se", "--site", "0x1x1"], "a site is CxHxW"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(nas_modules, words, message):
    with pytest.raises(PlugnasError) as error:
        nas_modules(*words)
    assert message in str(error.value)


def test_json_and_markdown_are_not_given_together(nas_modules, capsys):
    with pytest.raises(SystemExit) as end:
        nas_modules("--json", "--markdown")
    assert end.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
