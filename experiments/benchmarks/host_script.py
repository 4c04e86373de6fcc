"""CPU-seconds of a training in a pretrained host: plugnas, and the script that users write.

    OMP_NUM_THREADS=1 python -P experiments/benchmarks/host_script.py --folder cifar10
        --archive cifar10.tar.xz --weights resnet20.th

The rival is ``rivals/finetune_script.py``: torchvision's fine-tuning loop, once over all weights
and once with the host frozen. Both train He et al.'s ResNet-20 with a squeeze-excitation after
one stage, the same images, epochs, batch and rates; each way runs in turn under each seed, on one
thread. CPU-seconds are of the training with its data loading and validation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugnas.nas.data import load, parse
from plugnas.nas.proxy import Recipe, train
from plugnas.space import SearchSpace

BASE = Path(__file__).parents[1]
SCRIPT = Path(__file__).parent / "rivals" / "finetune_script.py"
IMAGES, SCORED, EPOCHS, BATCH = 1500, 1000, 6, 32
WHOLE = Recipe(
    epochs=EPOCHS, batch_size=BATCH, learning_rate=0.02, host_learning_rate=0.002, shift=0,
    mirror=True, images=IMAGES, validation_images=SCORED,
)  # fmt: skip
FROZEN = msgspec.structs.replace(WHOLE, freeze="host", host_learning_rate=None)


def main() -> None:
    """Print a table: site, way, CPU-seconds, times less than the script's, accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True, type=Path, help="with train/ of class folders")
    parser.add_argument("--archive", required=True, type=Path, help="the same images, for plugnas")
    parser.add_argument("--weights", required=True, type=Path, help="of host_resnet20.py")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    host = {"model": "host_resnet20.py:ResNet20", "weights": str(args.weights.resolve())}
    dataset = load(parse(str(args.archive.resolve())))
    print("| plug after | way | CPU-s | times less than the script (range) | accuracy, % |")
    print("|---|---|---:|---:|---:|")
    for site in ("layer1", "layer3"):
        choices = ["none", "se"]
        section = {
            "host": host,
            "sites": [{"after": site, "slot": "attention", "choices": choices}],
        }
        space = SearchSpace.from_config(section, dataset.input_shape, 10, base=BASE)
        values = {**space.host.unchanged(), f"after.{site}.attention": "se"}
        build = partial(space.build, space.architecture(values))
        for name, recipe in (("whole", WHOLE), ("host frozen", FROZEN)):
            theirs = script(args, section, site, frozen=recipe is FROZEN)
            made = [train(build, dataset, recipe, seed=s, device="cpu") for s in range(args.seeds)]
            ours = [{"cpu_seconds": t.cpu_seconds, "accuracy": t.accuracy} for t in made]
            row(site, f"the script, {name}", theirs, theirs)
            row(site, f"plugnas, {name}", ours, theirs)


def script(
    args: argparse.Namespace, section: dict[str, Any], site: str, *, frozen: bool
) -> list[dict[str, float]]:
    """Run the script in a process of its own; one row per seed.

    Args:
        args: of the command line.
        section: the host and its sites.
        site: where the plug stands.
        frozen: whether the host's weights are kept.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(section, file)
        file.flush()
        command = [sys.executable, "-P", str(SCRIPT), "--folder", str(args.folder.resolve())]
        command += ["--space", file.name, "--base", str(BASE), "--site", site]
        command += ["--images", str(IMAGES), "--validation-images", str(SCORED)]
        command += ["--epochs", str(EPOCHS), "--batch-size", str(BATCH)]
        command += ["--seeds", str(args.seeds), *(["--frozen"] if frozen else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def row(site: str, way: str, found: list[dict[str, float]], base: list[dict[str, float]]) -> None:
    """Print one way of training, beside the script's.

    Args:
        site: where the plug stands.
        way: whose training it is.
        found: CPU-seconds and accuracy under each seed.
        base: those of the script.
    """
    seconds = [f["cpu_seconds"] for f in found]
    ratios = [b["cpu_seconds"] / s for b, s in zip(base, seconds, strict=True)]
    right = [100 * f["accuracy"] for f in found]
    spread = statistics.stdev(right) if len(right) > 1 else 0.0
    print(
        f"| `{site}` | {way} | {statistics.median(seconds):.1f} "
        f"| {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) "
        f"| {statistics.mean(right):.2f} ± {spread:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
