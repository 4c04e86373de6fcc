"""Environment variables for the length of a block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Read by numerical libraries when they are imported."""

MALLOC_VARIABLES = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
"""Read by glibc when a process starts. Its cache of small blocks keeps the slivers beside aligned
tensors, so that their places fit no tensor of the same size again: without it a training takes 10
to 30 % less memory in the same time (experiments/benchmarks/proxy_memory.py)."""


def worker_variables(threads: int = 1) -> dict[str, str]:
    """Return what a worker's process is started with; the user's own allocator settings stay."""
    limits = dict.fromkeys(THREAD_VARIABLES, str(threads))
    return limits | {k: os.environ.get(k, v) for k, v in MALLOC_VARIABLES.items()}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables, for processes that are started inside, and restore what was there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


__all__ = ["environment", "worker_variables"]
