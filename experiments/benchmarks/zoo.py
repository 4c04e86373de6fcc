"""Times modules of the zoo against timm's, torchvision's, torch's and those of public collections.

python experiments/benchmarks/zoo.py                     the table of ratios, ours over theirs
python experiments/benchmarks/zoo.py --scan              every key: time per multiply-add
python experiments/benchmarks/zoo.py --milliseconds --site 64x56x56 --batch 1
                                                         every key: milliseconds, by slot

One thread, CPU time, one interleaved run: each round visits the modules in a new random order and
times ours and theirs one after the other, in random order. A module's ratio is the median over
rounds of (ours / theirs). Forward is in eval mode without gradients, forward and backward in train
mode. Where the state can be copied in order it is, and "=" marks equal outputs; tests/modules copy
the weights of the others by name.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks.zoo_rivals import RIVALS as FIRST_RIVALS
from experiments.benchmarks.zoo_rivals_collections import COLLECTIONS
from experiments.benchmarks.zoo_rivals_more import MORE_RIVALS
from plugnas import modules
from plugnas.modules import Site
from plugnas.nas.report import zoo as zoo_report

MODES = ("forward", "both")
RIVALS = FIRST_RIVALS | MORE_RIVALS | COLLECTIONS
SAMPLE_SECONDS = 0.02  # CPU time of one sample: repetitions are chosen so that it takes this


class Subject:
    """A module with its input, timed forward or forward and backward."""

    def __init__(self, module: nn.Module, x: Tensor, keywords: dict) -> None:
        self.module, self.x, self.keywords = module, x, keywords
        self.repeats: dict[str, int] = {}
        for mode in MODES:  # the first call warms up, the second chooses the repetitions
            self._run(mode, 1)
            self.repeats[mode] = max(1, round(SAMPLE_SECONDS / max(self._run(mode, 1), 1e-5)))

    def sample(self, mode: str) -> float:
        """Return CPU seconds per call."""
        return self._run(mode, self.repeats[mode])

    def _run(self, mode: str, repeats: int) -> float:
        self.module.train(mode == "both")
        self.x.requires_grad_(mode == "both")
        with torch.set_grad_enabled(mode == "both"):
            start = time.process_time()
            for _ in range(repeats):
                y = self.module(self.x, **self.keywords)
                if mode == "both":
                    y.sum().backward()
            return (time.process_time() - start) / repeats


@torch.no_grad()
def copied(ours: nn.Module, theirs: nn.Module) -> bool:
    """Copy our state over, tensor by tensor in order, where the sizes agree; say whether."""
    for parameter in ours.parameters():  # what starts at zero would make anything equal
        parameter.add_(0.05 * torch.randn_like(parameter))
    sources = [t for t in ours.state_dict().values() if t.is_floating_point()]
    targets = [t for t in theirs.state_dict().values() if t.is_floating_point()]
    if [t.numel() for t in sources] != [t.numel() for t in targets]:
        return False
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source.reshape(target.shape))
    return True


@torch.no_grad()
def equal(ours: Subject, theirs: Subject) -> bool:
    """Whether copied weights give equal eval outputs: the two then do the same work."""
    ours.module.eval(), theirs.module.eval()
    y, z = ours.module(ours.x, **ours.keywords), theirs.module(theirs.x)
    return y.shape == z.shape and torch.allclose(y, z, rtol=1e-3, atol=1e-4)


def parameters(module: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(p.numel() for p in module.parameters())


def compare(names: list[str], rounds: int, batch: int, site: Site, *, channels_last: bool) -> None:
    """Print ours over theirs for each pair, and the median over pairs."""
    generator = random.Random(0)
    pairs: dict[str, tuple[Subject, Subject]] = {}
    for name in names:
        torch.manual_seed(0)
        pair = RIVALS[name](site.channels)
        copied(pair.ours, pair.theirs)
        shape = (batch, site.channels, site.height, site.width)
        x = torch.randn(shape) if not pair.tokens else torch.randn(batch, shape[2] * shape[3], 64)
        if channels_last and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
            pair.ours.to(memory_format=torch.channels_last)
            pair.theirs.to(memory_format=torch.channels_last)
        pairs[name] = Subject(pair.ours, x, pair.keywords), Subject(pair.theirs, x, {})
    ratios: dict[tuple[str, str], list[float]] = {(n, m): [] for n in names for m in MODES}
    times: dict[tuple[str, str], list[float]] = {(n, m): [] for n in names for m in MODES}
    for _ in range(rounds):
        for name, mode in generator.sample(list(ratios), len(ratios)):
            ours, theirs = pairs[name]
            if generator.random() < 0.5:
                a, b = ours.sample(mode), theirs.sample(mode)
            else:
                b, a = theirs.sample(mode), ours.sample(mode)
            ratios[name, mode].append(a / b)
            times[name, mode].append(a)
    _print_ratios(names, pairs, ratios, times)


def _print_ratios(
    names: list[str],
    pairs: dict[str, tuple[Subject, Subject]],
    ratios: dict[tuple[str, str], list[float]],
    times: dict[tuple[str, str], list[float]],
) -> None:
    print(
        f"{'module':<22} {'params':>8} {'theirs':>8} | {'fwd ms':>8} {'ratio':>6} {'quartiles':>11}"
        f" | {'f+b ms':>8} {'ratio':>6} {'quartiles':>11}"
    )
    medians: dict[str, list[float]] = {mode: [] for mode in MODES}
    for name in names:
        ours, theirs = pairs[name]
        same = "=" if equal(ours, theirs) else " "
        row = f"{name:<20} {same} {parameters(ours.module):>8} {parameters(theirs.module):>8}"
        for mode in MODES:
            low, middle, high = statistics.quantiles(ratios[name, mode], n=4)
            medians[mode].append(middle)
            row += f" | {1e3 * statistics.median(times[name, mode]):>8.2f} {middle:>6.2f}"
            row += f" {low:>5.2f}-{high:.2f}"
        print(row)
    for mode, values in medians.items():
        print(
            f"{mode}: median {statistics.median(values):.3f}, best {min(values):.2f}, "
            f"worst {max(values):.2f}, over {len(values)} modules"
        )


def measured(
    rounds: int, batch: int, site: Site
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Return seconds of (key, mode) and operations of every key that can stand at the site."""
    subjects: dict[str, Subject] = {}
    work: dict[str, float] = {}
    for entry in modules.entries():
        if entry.refusal(site) is not None:
            continue
        cost = zoo_report.cost_at(entry, site)
        own = entry.contract.on_map(site)
        module = entry.build(own)
        args, keywords = entry.contract.inputs(own, batch), entry.contract.keywords(own)
        wrapped = module if len(args) == 1 else _Bound(module, args[1:])
        subjects[entry.key] = Subject(wrapped, args[0], keywords)
        # What is not a multiply-add also takes time: the elementwise operations count as well.
        work[entry.key] = batch * (float(cost["macs"]) + float(cost["elementwise"]))
    generator = random.Random(0)
    times: dict[tuple[str, str], list[float]] = {(k, m): [] for k in subjects for m in MODES}
    for _ in range(rounds):
        for key, mode in generator.sample(list(times), len(times)):
            times[key, mode].append(subjects[key].sample(mode))
    return {at: statistics.median(found) for at, found in times.items()}, work


def milliseconds(rounds: int, batch: int, site: Site) -> None:
    """Print a table of every key in its default setting, by slot, the slowest first."""
    seconds, work = measured(rounds, batch, site)
    print(f"One thread, batch {batch}, {site}, medians of {rounds} rounds.")
    for slot in modules.SLOTS:
        keys = [entry.key for entry in modules.entries() if entry.slot == slot]
        keys = [key for key in keys if (key, "forward") in seconds]
        if not keys:
            continue
        print(f"\n| {slot} | forward, ms | forward + backward, ms | operations, M |")
        print("|---|---:|---:|---:|")
        for key in sorted(keys, key=lambda key: -seconds[key, "forward"]):
            forward, both = (1e3 * seconds[key, mode] for mode in MODES)
            print(f"| `{key}` | {forward:.2f} | {both:.2f} | {work[key] / 1e6:.1f} |")


def scan(rounds: int, batch: int, site: Site) -> None:
    """Print the time of every key in its default setting, slowest per multiply-add first."""
    seconds, work = measured(rounds, batch, site)
    per = {key: seconds[key, "forward"] / max(work[key], 1.0) for key in work}
    print(f"{'key':<26} {'fwd ms':>8} {'f+b ms':>8} {'b/f':>5} {'ns/op':>8} {'x conv':>7}")
    for key in sorted(per, key=lambda key: -per[key]):
        forward, both = seconds[key, "forward"], seconds[key, "both"]
        print(
            f"{key:<26} {1e3 * forward:>8.2f} {1e3 * both:>8.2f} {both / forward:>5.1f} "
            f"{1e9 * per[key]:>8.3f} {per[key] / per['conv']:>7.1f}"
        )


class _Bound(nn.Module):
    """A module of several inputs as one of its first."""

    def __init__(self, module: Callable[..., Tensor], others: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.module, self.others = module, others

    def forward(self, x: Tensor, **keywords: object) -> Tensor:
        return self.module(x, *self.others, **keywords)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--site", default="64x32x32")
    parser.add_argument("--only", nargs="*", help="these modules")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--scan", action="store_true", help="all keys, without rivals")
    parser.add_argument("--milliseconds", action="store_true", help="all keys, as a table by slot")
    args = parser.parse_args()
    torch.set_num_threads(1)
    site = zoo_report.parse_site(args.site)
    if args.scan:
        scan(args.rounds, args.batch, site)
    elif args.milliseconds:
        milliseconds(args.rounds, args.batch, site)
    else:
        names = args.only or list(RIVALS)
        compare(names, args.rounds, args.batch, site, channels_last=args.channels_last)


if __name__ == "__main__":
    main()
