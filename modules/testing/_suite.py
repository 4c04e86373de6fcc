"""All checks in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from plugnas.modules.testing import _declaration, _export, _precision, _training, _values
from plugnas.modules.testing._case import Case, Trial, cases
from plugnas.modules.testing._failures import ConformanceError

# At every site that is not refused, on one built module.
EVERYWHERE = (_values.check_output, _values.check_batch, _values.check_meta)
# At the first of them, on the same module.
ONCE = (
    _values.check_copies,
    _values.check_channels_last,
    _precision.check_autocast,
    _precision.check_half,
    _export.check_export,
)
OF_THE_CASE = (_precision.check_coordinates, _declaration.check_canonical)


def check_case(case: Case) -> None:
    """Run every check on a module under one setting.

    Raises:
        ConformanceError: one or more checks failed; the text names each.
    """
    failures = list(_failures(case))
    if failures:
        raise ConformanceError("\n".join([f"{case.name} does not conform:", *failures]))


def check_module(key: str) -> None:
    """Run every check on every setting of a registered module.

    Raises:
        ConformanceError: one or more checks failed; the text names each.
        UnknownModuleError: the key is not registered.
    """
    failures = [line for case in cases(key) for line in _failures(case)]
    if failures:
        raise ConformanceError("\n".join([f"`{key}` does not conform:", *failures]))


def conformance_tests(*keys: str, slot: str | None = None) -> Callable[[Case], None]:
    """Return a pytest test with a parameter for each setting of the modules (see ``cases``)."""
    import pytest

    found = list(cases(*keys, slot=slot))

    @pytest.mark.parametrize("case", found, ids=[case.name for case in found])
    def test_conformance(case: Case) -> None:
        check_case(case)

    return test_conformance


def _failures(case: Case) -> Iterator[str]:
    yield from _tried(case, "", lambda: _declaration.check_refusals(case))
    sites = case.sites
    for site in sites:
        trial = Trial(case, site)
        for check in EVERYWHERE + (ONCE if site == sites[0] else ()):
            yield from _tried(case, f" at {site}", lambda check=check, trial=trial: check(trial))
    if sites:
        yield from _tried(case, "", lambda: _training.check_training(case, sites))
        for check_all in OF_THE_CASE:
            yield from _tried(case, "", lambda check=check_all: check(case))


def _tried(case: Case, place: str, check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - a module may fail in any way; all is a failure
        kind = "" if isinstance(error, ConformanceError) else f"{type(error).__name__}: "
        yield f"  {case.name}{place}: {kind}{error}"
