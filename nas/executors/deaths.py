"""Evaluations on a cluster that gave no answer: what Ray says of them, and what that means.

Ray's exceptions are told by their names, so that Ray itself is needed only where it is used.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugnas.nas.ledger.measurement import OUT_OF_MEMORY

NODE_DIED = "its node has died"


@dataclass(frozen=True)
class Death:
    """The end of an evaluation without an answer, and the node it had begun on, if it had.

    ``raised`` says that the evaluation itself ended with an error, whatever became of its node.
    """

    reason: str
    node: str | None = None
    raised: bool = False
    seconds: float = 0.0


def death_of(
    error: Any, node: str | None, seconds: float, evaluation_timeout: float | None
) -> Death:
    """Return what became of an evaluation.

    ``error`` is an exception of Ray's or its text, ``node`` the id of the node that the evaluation
    is known to have begun on, ``seconds`` how long ago that was.
    """
    reason, raised = reason_of(error), is_a(error, "RayTaskError")
    if evaluation_timeout is not None and seconds >= evaluation_timeout and not raised:
        reason = f"hung: no result within {evaluation_timeout:g} s"
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


def error_of(trial: Any) -> Any:
    """Return the error that ended a trial of Tune's, or its text where Tune keeps no more.

    Tune's own ``get_error`` looks where the files are copied to later, or never.
    """
    try:
        with open(trial.pickled_error_file, "rb") as file:
            return pickle.load(file)
    except Exception:  # noqa: BLE001 - no file, or an error of a class that cannot be rebuilt here
        text = Path(trial.error_file or os.devnull)
        return text.read_text() if text.exists() else ""


def is_a(error: Any, name: str) -> bool:
    """Whether an error is of the class with that name, or of one derived from it."""
    return any(kind.__name__ == name for kind in type(error).__mro__)


def is_of_ray(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, says that something of the cluster was lost."""
    while error is not None:
        if is_a(error, "RayError"):
            return True
        error = error.__cause__ or error.__context__
    return False


__all__ = ["NODE_DIED", "Death", "death_of", "error_of", "is_a", "is_of_ray", "reason_of"]
