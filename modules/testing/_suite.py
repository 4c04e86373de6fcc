"""All checks in order.

Each value of each choice is checked in full beside the others' defaults, on the meta device at
every site under the defaults alone; a setting that changes several choices at once is checked for
its values and gradients, at the first site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from plugnas.modules.testing import _declaration, _export, _precision, _training, _values
from plugnas.modules.testing._case import Case, Trial, cases
from plugnas.modules.testing._failures import ConformanceError

# At every site that is not refused, on one built module.
EVERYWHERE = (_values.check_output, _values.check_batch)
# At the first of them, on the same module.
ONCE = (
    _values.check_meta,
    _values.check_copies,
    _values.check_channels_last,
    _precision.check_autocast,
    _precision.check_half,
    _export.check_export,
)
OF_THE_CASE = (_precision.check_coordinates, _declaration.check_canonical)


def check_case(case: Case, *, export: bool = True) -> None:
    """Run every check on a module under one setting, that of torch.export where ``export``.

    Raises:
        ConformanceError: one or more checks failed; the text names each.
    """
    _raise(case.name, _failures(case, export=export))


def check_module(key: str) -> None:
    """Run every check on every setting of a registered module.

    Raises:
        ConformanceError: one or more checks failed; the text names each.
        UnknownModuleError: the key is not registered.
    """
    _raise(key, [failure for case in cases(key) for failure in _failures(case)])


def _raise(name: str, failures: Iterable[tuple[str, str]]) -> None:
    """Name each failure once, with the first place where it was seen."""
    places: dict[str, list[str]] = {}
    for place, failure in failures:
        places.setdefault(failure, []).append(place)
    if places:
        lines = [f"`{name}` does not conform:"]
        for failure, where in places.items():
            more = f" and {len(where) - 1} more" if len(where) > 1 else ""
            lines.append(f"  {where[0]}{more}: {failure}")
        raise ConformanceError("\n".join(lines))


def conformance_tests(
    *keys: str, slot: str | None = None, exports: Any = ()
) -> Callable[[Case, str], None]:
    """Return a pytest test with a parameter for each setting of the modules (see ``cases``).

    Args:
        keys: the modules; without any, all of ``slot``, or of every slot.
        slot: a slot's modules, where no key is given.
        exports: a mark, such as ``pytest.mark.slow``, for tests of their own in which settings
            beside the default are exported, which takes most of the time; by default each test
            holds all checks of its setting.
    """
    import pytest

    found = []
    for case in cases(*keys, slot=slot):
        apart = exports != () and case.changes > 0 and _export.is_exported(case)
        found.append(pytest.param(case, "values" if apart else "all", id=case.name))
        if apart:
            found.append(pytest.param(case, "export", id=f"{case.name}-export", marks=exports))

    @pytest.mark.parametrize(("case", "checks"), found)
    def test_conformance(case: Case, checks: str) -> None:
        if checks == "export":
            _export.check_export(Trial(case, case.sites[0]))
        else:
            check_case(case, export=checks == "all")

    return test_conformance


def _failures(case: Case, *, export: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the place of each check that failed, and its message."""
    yield from _tried(case.name, lambda: _declaration.check_refusals(case))
    whole, default = case.changes <= 1, case.changes == 0
    sites = case.sites if whole else case.sites[:1]
    for site in sites:
        trial = Trial(case, site)
        further = ONCE if site == sites[0] else (_values.check_meta,) if default else ()
        for check in (*EVERYWHERE, *further) if whole else EVERYWHERE:
            if export or check is not _export.check_export:
                yield from _tried(f"{case.name} at {site}", partial(check, trial))
    if sites:
        yield from _tried(case.name, lambda: _training.check_training(case, sites))
        for check_all in OF_THE_CASE if whole else ():
            yield from _tried(case.name, partial(check_all, case))


def _tried(place: str, check: Callable[[], None]) -> Iterator[tuple[str, str]]:
    try:
        check()
    except ConformanceError as error:
        yield place, str(error)
    except Exception as error:  # noqa: BLE001 - a module may fail in any way; all is a failure
        yield place, f"{type(error).__name__}: {error}"
