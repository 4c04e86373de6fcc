"""The registry rejects wrong declarations at import and suggests the nearest key."""

from __future__ import annotations

import pytest
from torch import nn

from plugnas import modules
from plugnas.modules import DeclarationError, Site, UnknownModuleError
from plugnas.modules._names import Names, stem


def _declare(key="fresh_key", cls=None, **changes):
    class Fresh(nn.Module):
        """Does something."""

        def __init__(self, channels, *, width=4, scale=2):
            super().__init__()

    declaration = {"slot": "attention", "family": "channel", "name": "Fresh", **changes}
    return modules.register(key, **declaration)(cls or Fresh)


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"key": "se"}, "taken"),
        ({"key": "no"}, "word of YAML"),
        ({"key": "BadKey"}, "snake_case"),
        ({"slot": "attentoin"}, "slot must be one of"),
        ({"choices": {"wdth": (4,)}}, "keyword-only parameter"),
        ({"choices": {"channels": (4,)}}, "keyword-only parameter"),
        ({"choices": {"width": (8, 16)}}, "not among its choices"),
        ({"choices": {"width": (4, 4)}}, "twice"),
        ({"choices": {"width": (4, "8")}}, "one type"),
        ({"choices": {"width": ()}}, "non-empty"),
        ({"export": {"coreml": "no"}}, "formats"),
        ({"choices": {"width": (4,)}, "same": {"wdth": len}}, "did you mean `width`"),
        ({"cls": nn.Identity, "choices": {}, "aliases": ("se",)}, "taken by `se`"),
        ({"aliases": ("S-E",)}, "taken by `se`"),
        ({"aliases": ("Fresh!",)}, "letters and digits"),
        ({"aliases": ("All",)}, "word of YAML or of jobs"),
        ({"origin": "github.com/a/b, MIT", "no_origin": "none"}, "why there is none"),
        ({"slot": "upsampling", "choices": {"width": (4,), "scale": (2,)}}, "belongs to the site"),
    ],
)
def test_wrong_declarations_are_rejected(changes, law):
    before = modules.entries()
    with pytest.raises(DeclarationError, match=law):
        _declare(**changes)
    assert modules.entries() == before


def test_lookup_suggests():
    with pytest.raises(UnknownModuleError, match="did you mean `se`"):
        modules.get("see")


@pytest.mark.parametrize("typed", ["SE", "SEModule", "se_layer", "SE-Block", "SEAttention", "Se"])
def test_names_are_folded(typed):
    assert modules.get(typed).key == "se"


def test_a_name_without_its_last_word_must_be_the_only_one_of_its_kind():
    names = Names()
    for name, key in (
        ("window_attention", "a"),
        ("WindowBlock", "b"),
        ("Halo", "c"),
        ("HaloNet", "c"),
    ):
        names.add(name, key)
    assert names.find("window-Attention") == "a"
    assert names.find("window_block") == "b"
    assert names.find("window") is None
    assert names.kin("window") == ["a", "b"]
    assert names.find("HaloAttention") == names.find("halonet layer") == "c"
    assert stem("AttentionBlock") == "attention"
    assert stem("SEAttentionModule") == "se"


def _clamped(site, setting):
    return {"width": min(setting["width"], site.channels)}


def test_canonical_setting():
    class Clamped(nn.Module):
        """Does something."""

        def __init__(self, channels, *, width=4, mode="a", depth=1):
            super().__init__()

    entry = modules.Entry(
        "clamped", Clamped, "attention", "channel", "Clamped", None, None,
        {"width": (4, 8), "mode": ("a", "b"), "depth": (1, 2)},
        only_with={"depth": ("mode", ("b",))}, same=_clamped,
    )  # fmt: skip
    assert entry.canonical(Site(4, 1, 1)) == {"width": 4, "mode": "a", "depth": 1}
    given = {"width": 8, "mode": "a", "depth": 2}
    assert entry.canonical(Site(8, 1, 1), given) == {"width": 8, "mode": "a", "depth": 1}
    assert entry.canonical(Site(4, 1, 1), given) == {"width": 4, "mode": "a", "depth": 1}
    kept = {"width": 8, "mode": "b", "depth": 2}
    assert entry.canonical(Site(64, 1, 1), kept) == kept


def test_canonical_setting_by_what_each_choice_comes_to():
    class Grouped(nn.Module):
        """Does something."""

        def __init__(self, channels, *, groups=2, shuffle=False):
            super().__init__()

    effects = {
        "groups": lambda site, s: min(site.channels, s["groups"]),
        "shuffle": lambda site, s: s["shuffle"] and s["groups"] < site.channels,
    }
    entry = modules.Entry(
        "grouped", Grouped, "attention", "channel", "Grouped", None, None,
        {"groups": (2, 4, 8), "shuffle": (False, True)}, same=effects,
    )  # fmt: skip
    assert entry.canonical(Site(3, 1, 1), {"groups": 8}) == {"groups": 4, "shuffle": False}
    assert entry.canonical(Site(4, 1, 1), {"groups": 8, "shuffle": True})["shuffle"] is False
    assert entry.canonical(Site(9, 1, 1), {"groups": 8, "shuffle": True})["shuffle"] is True


def test_settings_are_checked():
    entry = modules.get("se")
    assert entry.complete({}) == {"reduction": 16}
    with pytest.raises(UnknownModuleError, match="did you mean `reduction`"):
        entry.build(Site(16, 4, 4), {"reducton": 4})
    with pytest.raises(UnknownModuleError, match="must be one of 4, 8, 16, but got 5"):
        entry.build(Site(16, 4, 4), {"reduction": 5})


def test_tokens():
    assert modules.token((1, 2)) == "1,2"
    assert modules.token(True) == "true"
    assert modules.token(0.25) == "0.25"
    assert modules.token(3) == 3
