"""A job with what a command line says instead."""

from __future__ import annotations

from typing import Any

import msgspec

from plugnas.nas.job.config import Job, parse


def changed(
    job: Job, *, executor: str | None = None, address: str | None = None, **given: Any
) -> Job:
    """Return the job with the keys that are given (None: as it is), checked like a job file.

    Raises:
        ConfigError: a value that a job cannot have.
    """
    data = msgspec.to_builtins(job)
    data |= {name: value for name, value in given.items() if value is not None}
    if executor or address:
        had = data["executor"]
        found = {"name": had} if isinstance(had, str) else dict(had)
        found["name"] = executor or "ray"
        found["address"] = address or found.get("address")
        data["executor"] = found
    return parse(data, "command line")


__all__ = ["changed"]
