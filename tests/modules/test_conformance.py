"""One walk over the registry: every module, its settings, the sites; refusals tell the truth."""

from __future__ import annotations

import pytest

from plugnas import modules
from tests.modules import conformance as c

ENTRIES = modules.entries()
CASES = [(entry, setting) for entry in ENTRIES for setting in entry.settings()]
EXPORTED = [(entry, setting) for entry, setting in CASES if c.is_exported(entry, setting)]


def _name(case: tuple) -> str:
    entry, setting = case
    return entry.key + "".join(f"-{k}={modules.token(v)}" for k, v in setting.items())


@pytest.fixture(params=CASES, ids=map(_name, CASES))
def case(request):
    return request.param


def _allowed(entry, setting):
    return [site for site in c.sites(entry) if entry.refusal(site, setting) is None]


def test_values(case):
    entry, setting = case
    for site in _allowed(entry, setting):
        c.check_values(entry, setting, site)


def test_training(case):
    entry, setting = case
    for site in _allowed(entry, setting):
        c.check_training(entry, setting, site, batch=1)
    roomy = max(_allowed(entry, setting), key=lambda s: s.height * s.width)
    c.check_alive(entry, setting, roomy)


def test_autocast_and_meta(case):
    entry, setting = case
    for site in _allowed(entry, setting):
        c.check_meta(entry, setting, site)
    c.check_autocast(entry, setting, _allowed(entry, setting)[0])


@pytest.mark.parametrize("case", EXPORTED, ids=map(_name, EXPORTED))
def test_export(case):
    entry, setting = case
    if "pt2" in entry.export:
        with pytest.raises(Exception):  # noqa: B017 - any failure proves the declaration
            c.check_export(entry, setting, _allowed(entry, setting)[0])
    else:
        c.check_export(entry, setting, _allowed(entry, setting)[0])


def test_refusals_tell_the_truth(case):
    entry, setting = case
    for site in c.sites(entry):
        if entry.refusal(site, setting) is not None:
            with pytest.raises(modules.PlugnasError):
                module = c.build_unchecked(entry, setting, site).eval()
                module(*c.inputs(entry, site, 2), **c.keywords(entry, site))


def test_every_setting_stands_somewhere():
    for entry, setting in CASES:
        assert _allowed(entry, setting), f"{entry.key} {setting} is refused at every site"
