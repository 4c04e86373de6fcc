"""Where the time of a proxy training goes, and how near it is to the processor's arithmetic peak.

    OMP_NUM_THREADS=1 python -P experiments/benchmarks/proxy_profile.py --archive cifar10.tar.xz

Each network is trained twice with the same seed: once as a worker trains it, for CPU-seconds and
GFLOP/s, and once under torch's profiler, whose own time per operator is summed by kind of kernel.
GFLOP/s are the exact FLOPs of the forward pass, thrice for a training step (the backward pass is
counted as two forward ones), by the CPU-seconds of the whole training. The peak is the best of
some large matrix products on one thread; it is what a convolution could reach at most.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks.proxy import SPACE, processor
from plugnas.nas.cost import NetworkCost
from plugnas.nas.data import load as load_data
from plugnas.nas.machine.device import keep_memory
from plugnas.nas.proxy import Recipe, train
from plugnas.space import Architecture, SearchSpace

KINDS = (
    ("convolution", ("convolution", "conv2d")),
    ("matrix product", ("addmm", "mm", "matmul", "linear", "bmm")),
    ("normalisation", ("batch_norm", "layer_norm", "group_norm")),
    ("pooling and means", ("pool", "mean", "sum", "interpolate", "upsample")),
    ("optimiser and averages of weights", ("sgd", "_foreach", "lerp", "addcdiv", "addcmul")),
    ("loss", ("softmax", "nll", "cross_entropy", "one_hot")),
    ("activation and other pointwise", (
        "relu", "sigmoid", "silu", "hardtanh", "threshold", "add", "mul", "div", "sub", "exp",
        "clamp", "tanh", "gelu", "hardswish", "hardsigmoid", "pow", "neg", "rsub",
    )),
    ("batches: choice, moves, layout, copies", (
        "copy", "index", "gather", "clone", "contiguous", "cat", "pad", "flip", "roll", "fill",
        "zero", "empty", "randint", "random", "randperm", "select", "slice", "stack", "grid",
        "permute", "to", "view", "as_strided", "uniform", "normal", "where", "arange",
    )),
)  # fmt: skip
"""Kind -> parts of the names of its operators; the first that fits is taken."""

ROUNDS, SIZE = 20, 1024


def main() -> None:
    """Print a table: images, GFLOP/s, share of the peak, and the share of each kind of kernel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", required=True, type=Path, help="CIFAR-10 in class folders")
    parser.add_argument("--architectures", type=int, default=3)
    parser.add_argument("--images", type=int, default=2000)
    args = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    before = peak()
    dataset = load_data({"source": str(args.archive.resolve())})
    space = SearchSpace.from_config(SPACE, dataset.input_shape, len(dataset.classes))
    rng = np.random.default_rng(0)
    networks = [space.sample(rng) for _ in range(args.architectures)]
    print(f"{processor()}, one thread, torch {torch.__version__}")
    recipes = {
        "8 px, batch 128": Recipe(resolution=8, batch_size=128, learning_rate=0.15),
        "16 px, batch 64": Recipe(resolution=16),
        "32 px, batch 64": Recipe(),
    }
    table: dict[str, list[tuple[float, Counter[str]]]] = {name: [] for name in recipes}
    for network in networks:
        for name, recipe in recipes.items():
            short = msgspec.structs.replace(
                recipe, epochs=1, images=args.images, validation_images=500
            )
            work = (3 * args.images + 500) * flops(network, recipe.resolution or 32)
            build = partial(space.build, network)
            quick = msgspec.structs.replace(short, images=64, validation_images=64)
            train(build, dataset, quick, device="cpu")  # what torch loads once
            seconds = train(build, dataset, short, device="cpu").cpu_seconds
            with profile(activities=[ProfilerActivity.CPU]) as watched:
                train(build, dataset, short, device="cpu")
            table[name].append((work / seconds / 1e9, by_kind(watched)))
    best = max(before, peak())
    print(f"peak: {best:.0f} GFLOP/s (float32 products of {SIZE} x {SIZE} matrices)\n")
    show(table, best)


def flops(network: Architecture, side: int) -> float:
    """Return the FLOPs of one square image of so many pixels."""
    space = SearchSpace.from_config(SPACE, (3, side, side), 10)
    same = space.architecture({**network.values, "input": f"3x{side}x{side}"})
    return NetworkCost(space).cost(same)["flops"]


def peak() -> float:
    """Return GFLOP/s of the best of some products of large matrices."""
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    best = 0.0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        a @ b
        best = max(best, 2 * SIZE**3 / (time.perf_counter() - begun) / 1e9)
    return best


def by_kind(watched: profile) -> Counter[str]:
    """Return kind -> microseconds of its operators' own time on the processor."""
    found: Counter[str] = Counter()
    for event in watched.key_averages():
        name = event.key.removeprefix("aten::").lower()
        kinds = (kind for kind, parts in KINDS if any(part in name for part in parts))
        found[next(kinds, "other")] += event.self_cpu_time_total
    return found


def show(table: dict[str, list[tuple[float, Counter[str]]]], best: float) -> None:
    """Print the table, the mean and the range over the networks."""
    print(f"| | {' | '.join(table)} |\n|---|{'---:|' * len(table)}")
    rates = [[rate for rate, _ in found] for found in table.values()]
    cells = [f"{statistics.mean(r):.1f} ({min(r):.1f} to {max(r):.1f})" for r in rates]
    print(f"| GFLOP/s of the whole training | {' | '.join(cells)} |")
    print(
        f"| share of the peak | {' | '.join(f'{statistics.mean(r) / best:.0%}' for r in rates)} |"
    )
    for kind in [*(kind for kind, _ in KINDS), "other"]:
        cells = []
        for found in table.values():
            shares = [100 * own[kind] / own.total() for _, own in found]
            cells.append(f"{statistics.mean(shares):.0f} ({min(shares):.0f} to {max(shares):.0f})")
        print(f"| {kind}, % | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
