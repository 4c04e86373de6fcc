"""CPU-seconds of training in a frozen host and of training the whole, same plug, same epochs.

    python experiments/benchmarks/host_frozen.py                 on the digits of the quick start
    python experiments/benchmarks/host_frozen.py --cifar cifar10.tar.xz --weights resnet20.th

A squeeze-excitation stands after the last stage (`layer3`), in the last third of the host, or
after the first. With the host frozen, its maps before the plug are computed once. Both ways are
trained one after the other under each seed, and CPU time is counted, one thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugnas.nas.data import load, parse
from plugnas.nas.proxy import Recipe, train
from plugnas.space import SearchSpace

ROOT = Path(__file__).parents[2]
EPOCHS = 6
DIGITS = {"model": "host_digits.py:SmallResNet", "weights": "host_digits.safetensors"}
IMAGES = 1500  # of CIFAR-10, to train on


def main() -> None:
    """Print a table: site, way, CPU-seconds, accuracy, and the ratio of the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as a folder or archive of classes")
    parser.add_argument("--weights", type=Path, help="the checkpoint of host_resnet20.py")
    args = parser.parse_args()
    seeds = range(args.seeds)
    dataset, host, scored = load(parse("digits")), DIGITS, None
    if args.cifar is not None:
        host = {"model": "host_resnet20.py:ResNet20", "weights": str(args.weights.resolve())}
        dataset, scored = load(parse(str(args.cifar.resolve()))), 1000
    whole = Recipe(
        epochs=EPOCHS, batch_size=32, learning_rate=0.02, host_learning_rate=0.002, shift=0,
        images=IMAGES, validation_images=scored,
    )  # fmt: skip
    frozen = msgspec.structs.replace(whole, freeze="host", host_learning_rate=None)
    print("| plug after | whole, CPU-s | frozen, CPU-s | whole / frozen | whole, % | frozen, % |")
    print("|---|---:|---:|---:|---:|---:|")
    for site in ("layer1", "layer3"):
        choices = ["none", "se"]
        sites = [{"after": site, "slot": "attention", "choices": choices}]
        space = SearchSpace.from_config(
            {"host": host, "sites": sites}, dataset.input_shape, 10, base=ROOT / "experiments"
        )
        values = {**space.host.unchanged(), f"after.{site}.attention": "se"}
        build = partial(space.build, space.architecture(values))
        found = {
            name: [train(build, dataset, recipe, seed=s, device="cpu") for s in seeds]
            for name, recipe in (("whole", whole), ("frozen", frozen))
        }
        seconds = {n: [t.cpu_seconds for t in runs] for n, runs in found.items()}
        ratios = [a / b for a, b in zip(seconds["whole"], seconds["frozen"], strict=True)]
        cells = [f"{statistics.median(seconds[n]):.2f}" for n in found]
        cells.append(f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
        for runs in found.values():
            values_ = [100 * t.accuracy for t in runs]
            cells.append(f"{statistics.mean(values_):.2f} ± {statistics.stdev(values_):.2f}")
        print(f"| `{site}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
