"""The name of a host's parameter: how, where and in which slot something is plugged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from plugnas.space.host.records import How

SLOTS: dict[str, tuple[str, ...]] = {
    "after": ("attention", "context", "operator"),
    "replace": ("operator", "activation"),
}
NOTHING = ("none", "keep")
"""What a site offers as the host itself: nothing follows, what stands there is kept."""


@dataclass(frozen=True)
class Holder:
    """``after.layer4.*.bn2.attention``: the parameter that holds what is plugged in there."""

    how: How
    where: str
    slot: str

    @property
    def name(self) -> str:
        """The parameter's name."""
        return f"{self.how}.{self.where}.{self.slot}"


def parse(name: str) -> Holder | None:
    """Return what a parameter's name says; None for the name of a setting or of a fact.

    The name of a setting (``after.layer3.attention.se.reduction``) ends in no slot.
    """
    how, _, rest = name.partition(".")
    where, _, slot = rest.rpartition(".")
    if how not in get_args(How) or not where or slot not in SLOTS[how]:
        return None
    return Holder(how, where, slot)  # type: ignore[arg-type]
