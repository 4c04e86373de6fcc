"""What decides a count: torch's version and the sources. It needs no torch to be told."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from plugnas import modules
from plugnas import space as space_room


@cache
def stamp() -> str:
    """Sixteen hexadecimal digits of torch's version and the sources on which counts depend."""
    digest = hashlib.sha256(metadata.version("torch").encode())
    roots = [Path(str(room.__file__)).parent for room in (modules, space_room)]
    for root in [*roots, Path(__file__).parent]:
        for source in sorted(root.rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


__all__ = ["stamp"]
