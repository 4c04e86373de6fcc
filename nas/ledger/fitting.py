"""The one reader that fits what a ledger holds to a space."""

from __future__ import annotations

from pathlib import Path

from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import SearchSpace


def read_all(path: Path, space: SearchSpace) -> list[Measurement]:
    """Return the measurements of such a ledger that fit the space; none where there is no file."""
    from plugnas.nas.ledger.ledger import read
    from plugnas.space import SpaceError

    found: list[Measurement] = []
    if path.exists():
        for record in read(path).records:
            try:
                architecture = space.adopt(record["architecture"]["values"])
            except SpaceError:
                continue
            found.append(Measurement.from_dict(record, architecture))
    return found
