"""What the front of a host is confirmed beside: the host unchanged, and placebos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugnas.nas.confirm.statistics import mean_of
from plugnas.nas.front.metric import Metric
from plugnas.space import Architecture, SearchSpace
from plugnas.space.placebo import groups_with_placebo, twin, unchanged, with_placebo

if TYPE_CHECKING:
    from plugnas.nas.confirm.outcome import Confirmed

HOST, PLACEBO = "host", "placebo"


@dataclass(frozen=True)
class HostControls:
    """The controls of a host's front; ``space`` is the run's, with placebos at the sites ``names``.

    ``hosts`` maps the id of a member of the front to the host unchanged, trained by the member's
    own settings where the job varies them; nothing where some site always plugs. ``placebos`` maps
    it to the same network with placebos of equal parameters in its plugs' place.
    """

    names: Sequence[str]
    space: SearchSpace
    hosts: Mapping[str, Architecture]
    placebos: Mapping[str, Architecture]

    @property
    def architectures(self) -> list[Architecture]:
        """All controls, each once."""
        return list(dict.fromkeys([*self.hosts.values(), *self.placebos.values()]))

    def about(self) -> dict[str, Any]:
        """Return what the header of a confirmation's ledger keeps of them."""
        hosts = {member: a.id for member, a in self.hosts.items()}
        one = set(hosts.values())
        return {
            HOST: hosts if len(one) > 1 else next(iter(one), None),
            PLACEBO: {member: a.id for member, a in self.placebos.items()},
            "placebo_at": list(self.names),
        }


def controls_of(space: SearchSpace, front: Sequence[Architecture]) -> HostControls:
    """Return the controls of a front in the space of a host."""
    names = [g.name for g in groups_with_placebo(space)]
    judged = with_placebo(space, names)
    hosts = {a.id: unchanged(judged, a) for a in front}
    twins = {a.id: twin(judged, judged.architecture(a.values)) for a in front}
    return HostControls(
        names,
        judged,
        {name: a for name, a in hosts.items() if a is not None},
        {name: a for name, a in twins.items() if a is not None},
    )


def hosts_of(about: Mapping[str, Any]) -> dict[str, str]:
    """Return the id of the host unchanged beside each member; under "" that of all others."""
    told = about.get(HOST)
    if isinstance(told, Mapping):
        return {str(member): str(host) for member, host in told.items()}
    return {} if told is None else {"": str(told)}


def sentences(members: Sequence[Confirmed], about: Mapping[str, Any], metric: Metric) -> list[str]:
    """Return what each confirmed member of the front gains over host and placebo, seed by seed."""
    by_id = {m.id: m for m in members}
    hosts = hosts_of(about)
    told = []
    for m in members:
        if m.kind != "front":
            continue
        host = by_id.get(hosts.get(m.id, hosts.get("", "")))
        placebo = by_id.get(about.get(PLACEBO, {}).get(m.id, ""))
        gains = [
            f"{_gain(m, other, metric)} over {name}"
            for name, other in (("the host unchanged", host), ("its placebo", placebo))
            if other is not None
        ]
        if gains:
            told.append(f"{m.id[:6]}: {', '.join(gains)} (95 % intervals over the same seeds).")
    return told


def _gain(m: Confirmed, other: Confirmed, metric: Metric) -> str:
    found = mean_of([a - b for a, b in zip(m.values, other.values, strict=False)])
    low, high = metric.change_text(found.low), metric.change_text(found.high)
    interval = f" [{low}, {high}]" if found.n > 1 else ""
    return f"{metric.change_text(found.value)}{metric.unit}{interval}"


__all__ = ["HOST", "PLACEBO", "HostControls", "controls_of", "sentences"]
