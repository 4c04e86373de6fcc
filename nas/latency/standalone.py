"""Times the pieces of a search space on this machine, and writes the latency table of a search.

    python time_pieces.py -o table.json

It needs Python 3.10 or newer, onnxruntime and numpy, and the graphs that lie beside it. The search
takes the table by `latency: {runtime: onnxruntime, table: table.json}` in its job.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plugnas.nas.latency.figures import (
    FIRST,
    Together,
    check_of,
    fingerprint,
    fit,
    halves,
    kind_of,
    medians,
    model_text,
    relative_errors,
    share_reason,
    spread_reason,
    together,
)
from plugnas.nas.latency.protocol import (
    Samples,
    Timer,
    forward_timer,
    interleaved,
    onnx_session,
    processor,
)

LIST = "pieces.json"  # what lies beside this file
LIST_VERSION = 1
TABLE_VERSION = 2
GROUP, GROUP_BYTES = 512, 2**29  # graphs of pieces alive at a time, and bytes of them


class ScriptError(Exception):
    """What keeps the table from being made; the text says what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write; 2 where something keeps the table from being made."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0],
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("table.json"), metavar="FILE",
                        help="the table (default table.json)")  # fmt: skip
    parser.add_argument(
        "--rounds",
        type=int,
        help="rounds (default: those asked for when it was written, else 30 or "
        "more, for 20 seconds)",
    )
    parser.add_argument("--limit", type=float, default=0.05,
                        help="relative error above which no table is written; 1: take the machine "
                        "as it is (default 0.05)")  # fmt: skip
    parser.add_argument("--name", help="what this machine is called (default: its processor)")
    args = parser.parse_args(argv)
    try:
        table = measured(Path(__file__).resolve().parent, args.rounds, args.limit, args.name)
        args.output.write_text(json.dumps(table, indent=1), encoding="utf-8")
    except (ScriptError, OSError) as error:
        print(f"time_pieces: {error}", file=sys.stderr)  # noqa: T201 - the script has no logger
        return 2
    check = table["check"]
    print(  # noqa: T201
        f"{len(table['pieces'])} pieces to {args.output}; {check['networks']} whole networks "
        f"predicted with a mean error of {check['mean_error']:.1%}\n"
        f"{model_text(table['factors'], check)}"
    )
    return 0


def measured(folder: Path, rounds: int | None, limit: float, name: str | None) -> dict[str, Any]:
    """Return the latency table of the graphs in a folder.

    Args:
        folder: where the graphs and their list lie.
        rounds: how often each is timed; None: as often as the list says.
        limit: relative error above which there is no table.
        name: what this machine is called; None: its processor's name.

    Raises:
        ScriptError: a library or a graph is missing, or the machine is too busy.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ScriptError("onnxruntime is not installed: pip install onnxruntime") from None
    listed = read_list(folder)
    rounds = listed["rounds"] if rounds is None else rounds
    if (rounds is not None and rounds < 1) or not limit > 0:
        raise ScriptError("--rounds is at least 1, and --limit a relative error above 0")
    rng = np.random.default_rng(listed["seed"])
    before = load()
    anchors = [timer(folder, one, listed) for one in listed["anchors"]]
    common = [timer(folder, one, listed) for one in [*[listed["empty"]] * FIRST,
                                                      *listed["networks"]]]  # fmt: skip
    order = [listed["pieces"][i] for i in rng.permutation(len(listed["pieces"]))]
    groups: list[Samples] = []
    for group in grouped(folder, order):
        timers = [timer(folder, one, listed) for one in group]
        print(f"{len(groups) * GROUP} of {len(order)} pieces timed", file=sys.stderr)  # noqa: T201
        groups.append(interleaved([*common, *timers], anchors, rounds, rng))
    session = together(groups, len(common), len(listed["networks"]))
    conditions = {
        **listed["conditions"],
        "device_name": processor() if name is None else name,
        "runtime_version": onnxruntime.__version__,
    }
    table = reduced(session, listed, order, min(len(group.wall) for group in groups))
    check_quiet(table, groups, len(listed["networks"]), limit)
    table["check"] |= {"load": [before, load()], "clocks": None}
    return {"latency_table": TABLE_VERSION, "conditions": conditions, **table}


def reduced(
    session: Together, listed: dict[str, Any], order: Sequence[dict[str, Any]], rounds: int
) -> dict[str, Any]:
    """Return the figures of a table: pieces on the scale of whole networks, and the check of both.

    Args:
        session: what was measured, on one scale.
        listed: the list of graphs.
        order: the pieces in the order in which they were timed.
        rounds: how often each was timed.
    """
    clock, empty = map(float, session.steady[:FIRST])
    ms = np.concatenate([medians(own) for own in session.own]) - clock
    errors = np.concatenate([relative_errors(own) for own in session.own])
    entries = {one["number"]: max(float(m), 0.0) for one, m in zip(order, ms, strict=True)}
    kinds = sorted({kind_of(one["key"]) for one in order})
    sums = np.zeros((len(listed["networks"]), len(kinds)))
    for row, network in zip(sums, listed["networks"], strict=True):
        for number, times in network["pieces"]:
            row[kinds.index(kind_of(listed["pieces"][number]["key"]))] += times * entries[number]
    whole = session.steady[FIRST : FIRST + len(sums)]
    known = slice(0, listed["fitted"])
    model = fit(kinds, sums[known], empty, whole[known], free=True)
    factors = model.scale * np.array([model.factors.get(kind, 1.0) for kind in kinds])
    rest = slice(listed["fitted"], None)
    predicted = model.scale * empty + sums @ factors
    plain = np.abs(model.scale * (empty + sums.sum(axis=1)) / whole - 1)
    even, odd = halves(session.networks)
    check = check_of(predicted[rest], whole[rest], even[rest], odd[rest])
    check["sums_error"] = float(plain[rest].mean())
    pieces = []
    for one, error in zip(order, errors, strict=True):
        factor = float(factors[kinds.index(kind_of(one["key"]))])
        pieces.append([one["key"], one["shapes"], entries[one["number"]] * factor, float(error)])
    names = [one["name"] for one in listed["anchors"]]
    return {
        "anchors": dict(zip(names, session.reference.tolist(), strict=True)),
        "rounds": rounds,
        "overhead_ms": model.scale * empty,
        "scale": model.scale,
        "factors": model.factors,
        "fingerprint": listed["fingerprint"],
        "check": check,
        "pieces": pieces,
    }


def check_quiet(
    table: dict[str, Any], groups: Sequence[Samples], networks: int, limit: float
) -> None:
    """Raise ScriptError where the machine was too busy for the limit.

    Args:
        table: what was measured.
        groups: its rounds.
        networks: how many whole networks each group holds.
        limit: relative error above which there is no table.
    """
    errors = np.median([error for *_, error in table["pieces"]])[None]
    whole = slice(FIRST, FIRST + networks)
    wall = np.concatenate([group.wall[:, whole] for group in groups])
    cpu = np.concatenate([group.cpu[:, whole] for group in groups])
    reason = spread_reason(["the median piece"], errors, limit) or share_reason(cpu, wall, limit)
    if reason is not None:
        raise ScriptError(f"{reason} (--rounds); --limit 1 takes the machine as it is")


def read_list(folder: Path) -> dict[str, Any]:
    """Return the list of graphs.

    Raises:
        ScriptError: it is missing, damaged, or of another version.
    """
    path = folder / LIST
    try:
        listed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = listed["latency_script"]
        pieces = [(one["key"], one["shapes"]) for one in listed["pieces"]]
        whole = fingerprint(pieces, listed["conditions"]["torch"]) == listed["fingerprint"]
    except FileNotFoundError:
        raise ScriptError(
            f"{path} is not there: copy the whole folder, not the script alone"
        ) from None
    except (OSError, ValueError, TypeError, KeyError):
        raise ScriptError(f"{path} cannot be read: copy the folder again") from None
    if version != LIST_VERSION or not whole:
        raise ScriptError(f"{path} is not the list of this script: copy the folder again")
    return listed


def timer(folder: Path, one: dict[str, Any], listed: dict[str, Any]) -> Timer:
    """Load a graph and return its timer.

    Raises:
        ScriptError: the file is missing or was changed, or onnxruntime does not take it.
    """
    path = folder / one["file"]
    try:
        file = path.read_bytes()
    except OSError as error:
        raise ScriptError(
            f"{path} cannot be read ({error.strerror}): copy the folder again"
        ) from None
    if hashlib.sha256(file).hexdigest() != one["sha256"]:
        raise ScriptError(f"{path} is not the file that was exported: copy the folder again")
    try:
        session = onnx_session(file, listed["conditions"]["threads"])
    except Exception as error:  # noqa: BLE001 - onnxruntime raises many kinds
        first = str(error).splitlines()[0]
        raise ScriptError(f"this onnxruntime does not take {path.name} ({first})") from None
    rng = np.random.default_rng(0)
    batch = listed["conditions"]["batch"]
    inputs = {
        f"x{i}": rng.standard_normal((batch, *shape), dtype=np.float32)
        for i, shape in enumerate(one["shapes"])
    }
    return forward_timer(lambda given: session.run(None, given), inputs)


def grouped(folder: Path, pieces: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the pieces in groups that fit into memory."""
    group: list[dict[str, Any]] = []
    size = 0
    for one in pieces:
        path = folder / one["file"]
        own = path.stat().st_size if path.exists() else 0
        if group and (len(group) == GROUP or size + own > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(one)
        size += own
    yield group


def load() -> float | None:
    """The machine's load average over the last minute, where it has one."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


if __name__ == "__main__":
    sys.exit(main())
