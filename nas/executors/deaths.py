"""Evaluations on a cluster that gave no answer: what Ray says of them, and what that means.

Ray's exceptions are told by their names, so that Ray itself is needed only where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plugnas.nas.ledger.measurement import OUT_OF_MEMORY


@dataclass(frozen=True)
class Death:
    """The end of an evaluation without an answer, and the node it had begun on, if it had.

    ``raised`` says that the evaluation itself ended with an error, whatever became of its node.
    """

    reason: str
    node: str | None = None
    raised: bool = False
    seconds: float = 0.0


def death_of(error: Any, node: str | None, seconds: float, limit: float | None) -> Death:
    """Return what became of an evaluation.

    Args:
        error: an exception of Ray's, or its text.
        node: id of the node that the evaluation is known to have begun on; None if it has not.
        seconds: how long ago it began.
        limit: the seconds that it was given; None: any.
    """
    raised = is_a(error, "RayTaskError") or is_a(error, "OutOfMemoryError")
    reason = reason_of(error)
    if limit is not None and seconds >= limit and not raised:
        reason = f"hung: no result within {limit:g} s"
    if is_a(error, "ActorUnavailableError"):
        node = None  # its node may be dead, and nobody know of it yet
    return Death(reason, node, raised and node is not None, seconds)


def reason_of(error: Any) -> str:
    """Return an error, an exception or its text, in one line: what became of the actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[-1] if lines else "no error was told")[:300]
    if "running low on memory" in str(error):
        return f"{OUT_OF_MEMORY}: Ray killed the worker, for its node ran low on memory"
    if OUT_OF_MEMORY in text:
        return f"{OUT_OF_MEMORY}: {text.rpartition(OUT_OF_MEMORY + ': ')[2]}"
    cause = next((line for line in lines if "because" in line), text)
    return f"killed: {cause[:200]}"


def start_fault(error: Any) -> str:
    """Return in a sentence's end why a worker could not be started, from Ray's error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    missing = [line for line in lines if line.startswith("ModuleNotFoundError: No module named")]
    if not missing:
        return f"its worker died ({reason_of(error).partition(': ')[2]})"
    name = missing[-1].split("'")[1].partition(".")[0]
    return f"it has no `{name}`: install there what is installed here"


def is_a(error: Any, name: str) -> bool:
    """Whether an error is of the class with that name, or of one derived from it."""
    return any(kind.__name__ == name for kind in type(error).__mro__)


__all__ = ["Death", "death_of", "is_a", "reason_of", "start_fault"]
