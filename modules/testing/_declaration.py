"""Checks of what the declaration says before anything is built."""

from __future__ import annotations

from plugnas.modules.errors import PlugnasError
from plugnas.modules.testing._case import Case
from plugnas.modules.testing._failures import ConformanceError, ensure


def check_refusals(case: Case) -> None:
    """The setting is accepted somewhere; where the declaration refuses it, the class does too."""
    ensure(case.sites, "the setting is refused at every site of the slot")
    for site in case.refused:
        reason = case.entry.refusal(site, case.setting)
        args = case.inputs(site, 2)
        try:
            case.run(case.build(site).eval(), site, args)
        except PlugnasError:
            continue
        raise ConformanceError(f"refused at {site} ({reason}), but the class works there")


def check_canonical(case: Case) -> None:
    """The setting that ``same`` names is accepted there too, and ``same`` leaves it as it is."""
    for site in case.sites:
        one = case.entry.canonical(site, case.setting)
        ensure(case.entry.refusal(site, one) is None, f"`same` names a refused setting at {site}")
        ensure(case.entry.canonical(site, one) == one, f"`same` twice is not `same` at {site}")
