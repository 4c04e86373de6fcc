"""A form or mode that a constructor does not know is refused, never read as another one."""

from __future__ import annotations

import pytest

from plugnas import modules

STRINGS = [
    (entry, name)
    for entry in modules.entries()
    for name, values in entry.choices.items()
    if isinstance(values[0], str)
]


@pytest.mark.parametrize(("entry", "name"), STRINGS, ids=[f"{e.key}-{n}" for e, n in STRINGS])
def test_unknown_string_is_refused_with_what_is_known(entry, name):
    slot = entry.contract
    for setting in entry.settings():
        typo = str(setting[name]) + "x"
        with pytest.raises(modules.RefusedError, match=f"`{name}` must be one of .*'{typo}'") as e:
            slot.build(entry.cls, slot.sites[0], {**setting, name: typo})
        for value in entry.choices[name]:
            assert str(value) in str(e.value)


def test_the_closest_is_suggested():
    from plugnas.modules.attention.scse import SCSE

    with pytest.raises(modules.RefusedError, match="did you mean `spatial`"):
        SCSE(8, mode="spacial")
