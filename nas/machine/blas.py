"""How many threads numpy and scipy compute with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Work out linear algebra in one thread inside, in as many as before after.

    On matrices of some hundred rows several threads gain little, and on a machine that is busy they
    wait for each other at full speed: an explanation took seven times the processor seconds.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


__all__ = ["one_blas_thread"]
