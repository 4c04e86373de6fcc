"""Verify an exported directory, and rebuild its network from it.

  nas import runs/digits/export/3fa2b41c9d07

Compares every file with its checksum, builds the network from architecture.json and fills it from
model.safetensors; nothing in the directory is executed. Files that are not part of the export are
named, as no checksum covers them. In Python: plugnas.load(DIR).
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="an exported directory")


def run(args: argparse.Namespace) -> int:
    """Verify the files, load the network and describe it."""
    from plugnas.nas.export import hashes, load
    from plugnas.nas.export.tensors import describe
    from plugnas.nas.front.metric import metric
    from plugnas.nas.machine.log import logger

    files = hashes.verify(args.directory)
    print(f"{args.directory}: {len(files)} files, each with the checksum it was exported with")
    if unknown := hashes.extras(args.directory):
        logger.warning("files that are not part of the export: %s", ", ".join(unknown))
    if "model.safetensors" not in files:
        print("made without the format safetensors: there is no network to rebuild from it")
        return 0
    network = load(args.directory)
    description = describe(args.directory)
    parameters = sum(p.numel() for p in network.parameters())
    channels, height, width = description.input_shape
    weights = description.weights
    print(
        f"{description.id}: {channels}x{height}x{width} images in {len(description.classes)} "
        f"classes, {parameters} parameters in {description.form} form\n"
        f"weights: {weights['note']}"
    )
    if "metric" in weights:  # exports of earlier versions do not say
        shown = metric(weights["metric"], "max", [weights["value"]])
        print(f"{shown.name}: {shown.text(weights['value'])} on {weights['measured_on']}")
    return 0
