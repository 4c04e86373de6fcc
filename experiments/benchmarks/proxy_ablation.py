"""What each optimisation of the proxy's inner loop gains, measured by leaving out one at a time.

    python -P experiments/benchmarks/proxy_ablation.py [--sides 16 32] [--steps 40] [--rounds 3]

Every variant takes the same training steps (batch 64, synthetic images, three networks of
``proxy.py``'s space) in a process of its own; rounds interleave the variants. CPU time counts, so
that a busy machine disturbs little; the best round counts.

Tried and left out (AMD EPYC with AVX-512, torch 2.15, glibc 2.36, 21 November 2026, a busy machine;
ratios of CPU time interleaved in one process, so above 1 is a gain):

=======================================================  ===========================================
huge pages (``glibc.malloc.hugetlb=1``)                  0.9 at 32 px, 1.0 at 16: zeroing stays
large blocks by mmap (from 8 MiB)                        0.6 to 1.0 at 32 px; no fragmentation
AVX2 kernels instead of AVX-512                          1.02 of batch norm alone
NCHW for single networks or layers                       no convolution of 17 shapes was faster
bf16 autocast                                            0.77 at 16 px, 1.07 at 32
batch norm folded into convolutions for scoring          1.1 of the scoring, 1.01 of a training
scoring in batches of 64, 128, 512 instead of 256        0.93, 1.06, 0.98 of the scoring at 16 px
means as sums, for all modules by a TorchFunctionMode    1.06 and 1.00 on two spaces: not worth it
images averaged down once per training                   1.01 to 1.02: all data work is 3 %
loss, counting and zeroing of gradients                  0.8 % of a step at 16 px; the optimiser 1 %
=======================================================  ===========================================

Of a step, convolution takes 45 to 55 % and runs at 75 to 130 of the processor's 136 GFLOP/s
(channels that are no multiple of 16 lose the rest), batch norm 10 to 20 %. At the rival's recipe
nothing but other arithmetic would be much faster.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks.proxy import SPACE
from plugnas.nas.machine.device import keep_memory
from plugnas.nas.proxy.sgd import FusedSGD
from plugnas.space import SearchSpace

VARIANTS = (
    "as it is",
    "NCHW instead of channels_last",
    "malloc with its defaults",
    "torch.optim.SGD, not fused",
    "torch.optim.SGD, fused",
    "bf16 autocast",
    "flush denormals",
    "batch 32",
    "batch 128",
)


def main() -> None:
    """Run the variants in turn and print their images per CPU-second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*json.loads(args.one))))
        return
    for side in args.sides:
        best: dict[str, dict[str, float]] = {}
        for _ in range(args.rounds):
            for variant in VARIANTS:
                job = json.dumps([variant, side, args.steps])
                done = subprocess.run(
                    [sys.executable, "-P", __file__, "--one", job],
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    stdout=subprocess.PIPE, text=True, check=True,
                )  # fmt: skip
                found = json.loads(done.stdout.splitlines()[-1])
                if variant not in best or found["rate"] > best[variant]["rate"]:
                    best[variant] = found
        base = best[VARIANTS[0]]["rate"]
        print(f"\n{side} px{'':26} {'images/CPU-s':>12} {'ratio':>6} {'faults/step':>12}")
        for variant, found in best.items():
            ratio = found["rate"] / base
            print(f"{variant:32} {found['rate']:10.0f} {ratio:8.2f} {found['faults']:12.0f}")


def measure(variant: str, side: int, steps: int) -> dict[str, float]:
    """Take the steps; return images per CPU-second and page faults per step."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(variant == "flush denormals")
    if variant != "malloc with its defaults":
        keep_memory()
    layout = torch.contiguous_format if variant.startswith("NCHW") else torch.channels_last
    batch = int(variant.split()[1]) if variant.startswith("batch") else 64
    space = SearchSpace.from_config(SPACE, (3, side, side), 10)
    rng = np.random.default_rng(0)
    images = cpu = faults = 0.0
    for _ in range(3):
        network = space.build(space.sample(rng)).to(memory_format=layout)
        x = torch.randn(batch, 3, side, side).to(memory_format=layout)
        y = torch.randint(0, 10, (batch,))
        step = _stepper(network, variant)
        for _ in range(4):
            step(x, y)
        before = resource.getrusage(resource.RUSAGE_SELF)
        for _ in range(steps * 64 // batch):
            step(x, y)
            images += batch
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        faults += after.ru_minflt - before.ru_minflt
    return {"rate": images / cpu, "faults": faults / (images / batch)}


def _stepper(network: nn.Module, variant: str) -> Callable[[torch.Tensor, torch.Tensor], None]:
    parameters = list(network.parameters())
    optimiser = None
    if variant.startswith("torch.optim"):
        fused = variant.endswith(", fused")
        optimiser = torch.optim.SGD(
            parameters, 0.05, 0.9, weight_decay=5e-4, nesterov=True, fused=fused
        )
    ours = FusedSGD(parameters, 0.9, 5e-4)

    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=variant == "bf16 autocast"):
            loss = F.cross_entropy(network(x), y)
        ours.zero_grad()
        loss.backward()
        if optimiser is None:
            ours.step(0.05)
        else:
            optimiser.step()

    return step


if __name__ == "__main__":
    main()
