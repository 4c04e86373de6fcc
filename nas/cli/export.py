"""Export networks of a run as models that need nothing of plugnas.

  nas export runs/digits --pick knee                 to runs/digits/export/<id>
  nas export runs/digits --pick 'flops<=2M' --train  trained now, with the long recipe
  nas export runs/digits --all-front --to models     every member of the front
  nas export runs/host --as timm --as hub            and files by which timm and torch.hub take it

A pick is best, knee, smallest:0.98 (the cheapest that reaches this value of the main objective),
COST<=LIMIT, or an id or the beginning of one. Every file is checked in a fresh process before its
directory appears.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pick", default="knee", help="which network (default: knee)")
    which.add_argument("--all-front", action="store_true", help="every member of the front")
    parser.add_argument("--to", type=Path, metavar="DIR", help="default: RUN/export/<id>")
    parser.add_argument(
        "--format", action="append", metavar="NAME",
        help="pt2, onnx, safetensors or source (default: all of these), or openvino, executorch, "
        "litert or hub (huggingface_hub and timm); several by commas",
    )  # fmt: skip
    parser.add_argument(
        "--as", dest="elsewhere", action="append", metavar="NAME",
        help="a file for another library too: timm, hub or mmdet; several by commas",
    )  # fmt: skip
    parser.add_argument(
        "--opset", type=int, metavar="N", help="version of the ONNX operators (default 20)"
    )
    parser.add_argument("--train", action="store_true", help="train now, with the long recipe")
    parser.add_argument(
        "--keep-training-form", action="store_true", help="do not fold norms and branches"
    )
    parser.add_argument(
        "--with-preprocessing", action="store_true",
        help="uint8 images (B, H, W, C) in, probabilities out",
    )  # fmt: skip
    parser.add_argument(
        "--quantize", metavar="int8",
        help="write model_int8.pt2 (by torchao), model_int8.onnx or model_int8.pte beside each of "
        "these formats, calibrated on training images",
    )  # fmt: skip
    parser.add_argument(
        "--fixed-size", action="store_true", help="let only the batch vary, not height and width"
    )


def run(args: argparse.Namespace) -> int:
    """Write and check the exports, and say where they lie."""
    from plugnas.modules import PlugnasError
    from plugnas.nas.export import Options, export_members
    from plugnas.nas.graph.onnx_graph import OPSET
    from plugnas.nas.machine.log import logger
    from plugnas.nas.run.summary import why_empty
    from plugnas.nas.run.view import open_run

    view = open_run(args.run_dir)
    if view.left_out is not None:
        logger.warning(view.left_out)
    if args.all_front and not view.front:
        raise PlugnasError(f"{why_empty(view)}, so nothing to export")
    members = view.front if args.all_front else [view.pick(args.pick)]
    formats = [name for given in args.format or () for name in given.split(",")]
    elsewhere = [name for given in args.elsewhere or () for name in given.split(",")]
    options = Options(
        formats=tuple(formats) or None,
        deploy=not args.keep_training_form,
        preprocessing=args.with_preprocessing,
        fixed_size=args.fixed_size,
        quantize=args.quantize,
        opset=OPSET if args.opset is None else args.opset,
        elsewhere=tuple(dict.fromkeys(elsewhere)),
    )
    deliveries = export_members(view, members, args.to, options, train_now=args.train)
    for delivery in deliveries:
        print(f"{delivery.path}: {', '.join(delivery.files)}")
        for name, reason in delivery.skipped.items():
            print(f"  no {name}: {reason}")
        for name, note in delivery.notes.items():
            print(f"  {name}: {note}")
    return 0
