"""The cost of one architecture, part by part, as text and as data."""

from __future__ import annotations

from typing import Any

from plugnas.nas.cost.network import NetworkCost, PartCost
from plugnas.nas.machine.table import text_table
from plugnas.space import Architecture

CONVENTION = (
    "deploy form, batch 1, float32; 1 MAC = 1 multiply-accumulate, FLOPs = 2 MACs; biases, norms "
    "and activations count as elementwise; memory is the peak of live activations of a part"
)


def breakdown(model: NetworkCost, architecture: Architecture) -> dict[str, Any]:
    """Return the costs of an architecture and of each of its parts as plain JSON data."""
    return {
        "id": architecture.id,
        "values": architecture.values,
        "costs": model.cost(architecture),
        "parts": [part.to_dict() for part in model.breakdown(architecture)],
        "convention": CONVENTION,
    }


def breakdown_text(model: NetworkCost, architecture: Architecture) -> str:
    """Return the costs of an architecture part by part, as a table."""
    parts = model.breakdown(architecture)
    total = model.cost(architecture)
    header = ["part", "input", "params", "MACs", "elementwise", "memory"]
    rows = [_row(part) for part in parts]
    rows.append(
        [
            "total", "", *(f"{total[n]:,.0f}" for n in ("params", "macs", "elementwise")),
            _bytes(total["memory"]),
        ]
    )  # fmt: skip
    if "latency_ms" in total:
        header.append("ms")
        for row, part in zip(rows, parts, strict=False):
            row.append(f"{part.latency_ms:.3f}")
        rows[-1].append(f"{total['latency_ms']:.3f}")
    if "ram" in total:
        header += ["RAM", "flash"]
        for row, part in zip(rows, parts, strict=False):
            row += [_bytes(part.ram or 0), _bytes(part.flash or 0)]
        rows[-1] += [_bytes(total["ram"]), _bytes(total["flash"])]
    lines = text_table(header, rows, align="ll" + "r" * (len(header) - 2))
    keys = [f"{part.position}: {part.key}" for part in parts]
    flops = f"{total['flops']:,.0f} FLOPs ({total['flops'] / 1e6:.3g} MFLOPs)"
    return "\n".join([f"architecture {architecture.id}: {flops}", "", *lines, "", *keys, "",
                      CONVENTION])  # fmt: skip


def _row(part: PartCost) -> list[str]:
    size = "x".join(map(str, part.input_shape))
    numbers = [f"{n:,}" for n in (part.params, part.macs, part.elementwise)]
    return [part.position, size, *numbers, _bytes(part.memory)]


def _bytes(count: float) -> str:
    """Bytes with a unit that leaves at least one digit before the point."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"
