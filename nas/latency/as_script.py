"""A folder by which a machine without torch times a space: exported graphs and one script."""

from __future__ import annotations

import ast
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from plugnas import modules
from plugnas.nas.latency import figures, protocol, standalone
from plugnas.nas.latency.anchors import SHAPE, anchors
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.errors import LatencyError
from plugnas.nas.latency.graph_timers import Wanted, graph_files
from plugnas.nas.latency.measure import CHECKS, MAX_PIECES, beside
from plugnas.nas.latency.pieces import key_of, pieces_of_space
from plugnas.nas.latency.runtime import EMPTY
from plugnas.nas.latency.settings import Settings
from plugnas.space import SearchSpace
from plugnas.space.piece import Piece

SCRIPT = "time_pieces.py"
_BATCH = 96  # modules alive at a time


def write_script(
    space: SearchSpace, folder: Path, settings: Settings, *, checks: int = CHECKS
) -> int:
    """Write the graphs of a space's pieces and the script that times them; return how many pieces.

    The folder is copied to the machine that counts, which needs onnxruntime and numpy;
    ``python time_pieces.py -o table.json`` there writes the table for a search.

    Args:
        space: the space.
        folder: where graphs, list and script are written; an earlier such folder is replaced.
        settings: how the latency is to be taken; its runtime is onnxruntime.
        checks: whole networks on which the table is checked.

    Raises:
        LatencyError: the folder holds something else, another runtime than onnxruntime is asked
            for, or a piece has no ONNX form.
    """
    if settings.runtime != "onnxruntime":
        raise LatencyError(
            f"the script times in onnxruntime, the one runtime that needs nothing else, but got "
            f"{settings.runtime}; leave --runtime out"
        )
    conditions = settings.conditions()
    if folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / SCRIPT).exists())
    ):
        raise LatencyError(f"{folder} exists and holds no {SCRIPT}; choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as made:
            count = _write(space, Path(made), settings, conditions, checks)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(made, folder)
    except OSError as error:
        raise LatencyError(f"{folder} cannot be written ({error.strerror})") from None
    return count


def _write(
    space: SearchSpace, folder: Path, settings: Settings, conditions: Conditions, checks: int
) -> int:
    rng = np.random.default_rng(settings.seed)
    networks, fitted = beside(space, None, conditions, checks, rng)
    shape = space.parts(networks[0])[0].input_shape
    (folder / "graphs").mkdir()
    every = pieces_of_space(space, MAX_PIECES).values()
    pieces = list(_graphs(folder, "piece", _buildable(every), conditions))
    number = {(one["key"], json.dumps(one["shapes"])): i for i, one in enumerate(pieces)}
    for i, one in enumerate(pieces):
        one["number"] = i
    whole = ((modules.fuse(space.build(a)), [shape], a.id) for a in networks)
    members = list(_graphs(folder, "network", whole, conditions))
    for one, architecture in zip(members, networks, strict=True):
        found = [piece for part in space.parts(architecture) for piece in part.pieces()]
        one["pieces"] = [
            [number[key, json.dumps(shapes)], piece.times]
            for piece in found
            for key, shapes in [key_of(piece)]
        ]
    beside_all = [(module, [SHAPE], name) for name, module in anchors().items()]
    anchored = list(_graphs(folder, "anchor", beside_all, conditions))
    nothing = (EMPTY.module, EMPTY.shapes, EMPTY.name)
    listed = {
        "latency_script": standalone.LIST_VERSION,
        "fingerprint": figures.fingerprint(
            [(one["key"], one["shapes"]) for one in pieces], conditions.torch
        ),
        "conditions": replace(conditions, device_name="", runtime_version="").to_dict(),
        "rounds": settings.rounds, "seed": settings.seed, "fitted": fitted,
        "anchors": [{"name": one["key"], **one} for one in anchored],
        "empty": next(_graphs(folder, "empty", [nothing], conditions)),
        "networks": members, "pieces": pieces,
    }  # fmt: skip
    (folder / standalone.LIST).write_text(json.dumps(listed, indent=1), encoding="utf-8")
    (folder / SCRIPT).write_text(script(), encoding="utf-8")
    return len(pieces)


def _buildable(pieces: Iterable[Piece]) -> Iterator[Wanted]:
    """Yield what is exported of each piece that no module refuses."""
    for piece in pieces:
        try:
            yield modules.fuse(piece.build()), piece.input_shapes, piece.key
        except modules.RefusedError:
            continue


def _graphs(
    folder: Path, name: str, wanted: Iterable[Wanted], conditions: Conditions
) -> Iterator[dict[str, Any]]:
    """Write each module as a graph; yield its entry in the list."""
    count, stream = 0, iter(wanted)
    while waiting := list(itertools.islice(stream, _BATCH)):
        for file, (_, shapes, key) in zip(graph_files(waiting, conditions), waiting, strict=True):
            path = folder / "graphs" / f"{name}{count:05d}.onnx"
            path.write_bytes(file)
            count += 1
            yield {
                "key": key, "shapes": [list(s) for s in shapes],
                "file": f"graphs/{path.name}", "sha256": hashlib.sha256(file).hexdigest(),
            }  # fmt: skip


def script() -> str:
    """Return the script: this program's own protocol and figures, then what reads the graphs."""
    head, *rest = (_body(module) for module in (standalone, protocol, figures))
    docstring, own = head
    future = "from __future__ import annotations"
    parts = [body for _, body in rest]
    return "\n\n\n".join([f'"""{docstring}"""\n\n{future}', *parts, own]) + "\n"


def _body(module: Any) -> tuple[str, str]:
    """Return a file's docstring, and the rest of it without what it takes from plugnas."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines()
    for node in tree.body:
        docstring = node is tree.body[0]
        own = isinstance(node, ast.ImportFrom) and str(node.module).startswith(
            ("plugnas", "__future__")
        )
        if docstring or own:
            for i in range(node.lineno - 1, (node.end_lineno or node.lineno)):
                lines[i] = ""
    return ast.get_docstring(tree, clean=False) or "", "\n".join(lines).strip()


__all__ = ["SCRIPT", "script", "write_script"]
