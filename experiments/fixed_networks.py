"""The networks that a user would otherwise take for small images, scaled to a run's budget.

    OMP_NUM_THREADS=1 python experiments/fixed_networks.py runs/cifar10 --workers 4

Trains each by the long recipe of a run's confirmation, under the same seeds, on the same images,
and records it beside the run (``RUN/fixed.json``). The budget is the run's limit on FLOPs, or on
milliseconds under the run's conditions, for which all scales of all families are measured in one
session (a family without such a fast network takes part with its fastest). ResNet is He et al.'s
CIFAR form (3 stages of basic blocks, widths w, 2w, 4w); MobileNetV2 and ShuffleNetV2 are
torchvision's, with the usual strides for 32 x 32 (no stride in the stem, no max pooling).
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import MobileNetV2, ShuffleNetV2
from torchvision.models.resnet import BasicBlock

from plugnas import modules
from plugnas.nas.confirm.outcome import read
from plugnas.nas.confirm.training import LEARN_FROM, SCORE_ON
from plugnas.nas.cost import count
from plugnas.nas.data import load, parse
from plugnas.nas.latency import Settings, measure_networks
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.machine.device import keep_memory
from plugnas.nas.proxy import Recipe, train
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView

SHAPE, CLASSES, SCALES = (3, 32, 32), 10, range(1, 33)
INVERTED = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def resnet20(width: int) -> nn.Module:
    """Return ResNet-20 (He et al., 2016, section 4.2) with ``width`` channels in its first stage.

    Shortcuts that change the shape are 1 x 1 convolutions.
    """
    blocks: list[nn.Module] = []
    channels = width
    for stage in range(3):
        for index in range(3):
            out, stride = width * 2**stage, 2 if stage and not index else 1
            shortcut = None
            if stride != 1 or out != channels:
                convolution = nn.Conv2d(channels, out, 1, stride, bias=False)
                shortcut = nn.Sequential(convolution, nn.BatchNorm2d(out))
            blocks.append(BasicBlock(channels, out, stride, shortcut))
            channels = out
    stem = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*stem, *blocks, *head)


def mobilenet_v2(twentieths: int) -> nn.Module:
    """Return torchvision's MobileNetV2 with a width multiplier in twentieths, for 32 x 32."""
    settings = [list(row) for row in INVERTED]
    network = MobileNetV2(CLASSES, twentieths / 20, settings)
    network.features[0][0].stride = (1, 1)
    return network


def shufflenet_v2(eighths: int) -> nn.Module:
    """Return torchvision's ShuffleNetV2 with eighths of the channels of its x0.5, for 32 x 32."""
    channels = [24, *(2 * round(c * eighths / 16) for c in (48, 96, 192)), 1024]
    network = ShuffleNetV2([4, 8, 4], channels, CLASSES)
    network.conv1[0].stride = (1, 1)
    network.maxpool = nn.Identity()
    return network


FAMILIES: dict[str, Callable[[int], nn.Module]] = {
    "ResNet-20-like": resnet20,
    "MobileNetV2-like": mobilenet_v2,
    "ShuffleNetV2-like": shufflenet_v2,
}


def within_flops(limit: float) -> dict[str, tuple[int, dict[str, float]]]:
    """Return every family's largest scale within a limit of FLOPs, and its costs."""
    found = {}
    for name, build in FAMILIES.items():
        for scale in SCALES:
            costs = _costs(build(scale))
            if costs["flops"] > limit:
                break
            found[name] = scale, costs
        if name not in found:
            raise SystemExit(f"no {name} network within {limit:g} FLOPs")
    return found


def within_latency(limit: float, settings: Settings) -> dict[str, tuple[int, dict[str, float]]]:
    """Return every family's largest scale within a limit of milliseconds, else its fastest."""
    members = {f"{name} {scale}": (name, scale) for name in FAMILIES for scale in SCALES}
    builds = {
        label: functools.partial(FAMILIES[name], scale) for label, (name, scale) in members.items()
    }
    report = measure_networks(builds, SHAPE, settings).check()
    found = {}
    for name, build in FAMILIES.items():
        ms = {scale: report[f"{name} {scale}"].ms for scale in SCALES}
        fits = [scale for scale in SCALES if ms[scale] <= limit]
        scale = max(fits) if fits else min(SCALES, key=lambda s: ms[s])
        found[name] = scale, {"latency_ms": ms[scale], **_costs(build(scale))}
    return found


def _costs(network: nn.Module) -> dict[str, float]:
    counts = count(modules.fuse(network.eval()), torch.zeros(1, *SHAPE))
    return {"flops": 2.0 * counts.macs, "params": float(counts.params)}


def main() -> None:
    """Train the fixed networks with which a run's confirmation is compared."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    view = RunView.open(RunDirectory.read(arguments.run))
    confirmation = read(view)
    if confirmation is None:
        raise SystemExit(f"{arguments.run} has no confirmation yet: nas confirm {arguments.run}")
    limits = view.run.job.limits
    if "latency_ms" in limits:
        wishes = view.run.job.latency or LatencyConfig()
        settings = Settings(device=wishes.device, batch=wishes.batch, threads=wishes.threads)
        scaled = within_latency(limits["latency_ms"], settings)
    else:
        scaled = within_flops(limits["flops"])
    data = parse(view.run.job.data).at(view.run.base)
    rows: list[dict[str, Any]] = []
    work = []
    for name, (scale, costs) in scaled.items():
        rows.append({"name": name, "scale": scale, **costs, "test_accuracies": []})
        for seed in confirmation.about["seeds"]:
            work.append((data, confirmation.about["recipe"], name, scale, seed))
    with ProcessPoolExecutor(arguments.workers) as pool:
        for (_, _, name, _, seed), accuracy in zip(work, pool.map(_train, work), strict=True):
            next(r for r in rows if r["name"] == name)["test_accuracies"].append(accuracy)
            print(f"{name} seed {seed}: {100 * accuracy:.2f} %", flush=True)
    (arguments.run / "fixed.json").write_text(json.dumps(rows, indent=2))


def _train(work: tuple[Any, dict[str, Any], str, int, int]) -> float:
    data, recipe, name, scale, seed = work
    keep_memory()
    torch.set_num_threads(1)
    training = train(
        lambda: FAMILIES[name](scale),
        load(data),
        Recipe(**recipe),
        seed=seed,
        device="cpu",
        learn_from=LEARN_FROM,
        score_on=SCORE_ON,
    )
    return training.accuracy


if __name__ == "__main__":
    main()
