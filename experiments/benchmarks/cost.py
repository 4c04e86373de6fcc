"""MACs reported / exact, and architectures per second: plugnas and four other counters in one run.

    pip install fvcore ptflops torchinfo
    OMP_NUM_THREADS=1 python -P experiments/benchmarks/cost.py [--networks 20] [--all]

Part 1: cases whose count is derived by hand. Part 2: every module of the zoo at one site, in deploy
form, where exact is the count of plugnas, which part 1 and tests/nas/cost check. Part 3: CPU time
per architecture of a space over the zoo, the tools interleaved on the same networks.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import platform
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from plugnas import modules
from plugnas.modules import Entry, Site
from plugnas.nas.cost import NetworkCost, count
from plugnas.space import SearchSpace

Counter = Callable[[nn.Module, tuple[int, ...]], float]
SITE = Site(16, 14, 14, 1, 24)


class Bound(nn.Module):
    """A function of one input, or a module with its other arguments fixed."""

    def __init__(self, function: Callable[..., Tensor], *rest: Any, **kwargs: Any) -> None:
        super().__init__()
        self.function, self.rest, self.kwargs = function, nn.ParameterList(rest), kwargs

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.rest, **self.kwargs)


def plugnas(model: nn.Module, shape: tuple[int, ...]) -> float:
    return count(model, torch.randn(shape)).macs


def flop_counter_mode(model: nn.Module, shape: tuple[int, ...]) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as mode:
        model.to("meta")(torch.zeros(shape, device="meta"))
    return mode.get_total_flops() / 2


def fvcore(model: nn.Module, shape: tuple[int, ...]) -> float:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, torch.randn(shape))
    return analysis.total()


def ptflops(model: nn.Module, shape: tuple[int, ...]) -> float:
    from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        model, shape[1:], backend="pytorch", as_strings=False, print_per_layer_stat=False,
        input_constructor=lambda _: torch.randn(shape),
    )  # fmt: skip
    return float("nan") if macs is None else macs


def torchinfo(model: nn.Module, shape: tuple[int, ...]) -> float:
    from torchinfo import summary

    return summary(model, input_data=torch.randn(shape), verbose=0).total_mult_adds


COUNTERS: dict[str, Counter] = {
    "plugnas": plugnas,
    "FlopCounterMode": flop_counter_mode,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "torchinfo": torchinfo,
}


def cases() -> list[tuple[str, Callable[[], nn.Module], tuple[int, ...], int]]:
    """(name, module, input shape, MACs derived by hand)."""
    tokens, heads, d = 49, 4, 16
    width = heads * d
    attention = 2 * tokens * tokens * width

    def products(x: Tensor) -> Tensor:
        q = x.view(1, tokens, heads, d).transpose(1, 2)
        return (q @ q.transpose(-1, -2)).softmax(-1) @ q

    def fused(x: Tensor) -> Tensor:
        q = x.view(1, tokens, heads, d).transpose(1, 2)
        return F.scaled_dot_product_attention(q, q, q)

    def involution(x: Tensor, kernels: Tensor) -> Tensor:
        patches = F.unfold(x, 3, padding=1).view(1, 2, 4, 9, 36)
        return (kernels[:, :, None] * patches).sum(3)

    def deformable(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        return torchvision.ops.deform_conv2d(x, offset, weight, padding=1)

    def condconv(x: Tensor, routing: Tensor, experts: Tensor) -> Tensor:
        return F.conv2d(x, (routing @ experts).view(12, 8, 3, 3), padding=1)

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.MultiheadAttention(width, heads, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x, x, x, need_weights=False)[0]

    r = torch.randn
    return [
        ("conv 3x3", lambda: nn.Conv2d(8, 12, 3, padding=1), (1, 8, 6, 6), 36 * 12 * 8 * 9),
        ("conv, 4 groups", lambda: nn.Conv2d(8, 12, 3, padding=1, groups=4), (1, 8, 6, 6),
         36 * 12 * 2 * 9),
        ("depthwise", lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8), (1, 8, 6, 6), 36 * 8 * 9),
        ("transposed conv", lambda: nn.ConvTranspose2d(8, 12, 4, 2), (1, 8, 6, 6),
         36 * 8 * 12 * 16),
        ("F.linear", lambda: Bound(F.linear, r(5, 8)), (1, 7, 8), 7 * 8 * 5),
        ("attention with @", lambda: Bound(products), (1, tokens, width), attention),
        ("attention, one call", lambda: Bound(fused), (1, tokens, width), attention),
        ("nn.MultiheadAttention", Own, (1, tokens, width), attention + 4 * tokens * width**2),
        ("involution, multiply-sum", lambda: Bound(involution, r(1, 2, 9, 36)), (1, 8, 6, 6),
         36 * 8 * 9),
        ("CondConv", lambda: Bound(condconv, r(1, 4), r(4, 864)), (1, 8, 6, 6), 4 * 864 + 36 * 864),
        ("deformable conv", lambda: Bound(deformable, r(1, 18, 6, 6), r(12, 8, 3, 3)),
         (1, 8, 6, 6), 36 * 12 * 8 * 9),
        ("bilinear", lambda: Bound(F.bilinear, r(5, 4), r(7, 3, 4)), (5, 3), 5 * 7 * (12 + 4)),
        ("cdist", lambda: Bound(torch.cdist, r(5, 4)), (9, 4), 9 * 5 * 4),
        ("FFT, 5/2 n log n", lambda: Bound(lambda x: torch.fft.rfft2(x).real), (1, 4, 8, 8),
         4 * 5 * 64 * 6 // 4),
        ("LSTM", lambda: Bound(_Lstm()), (7, 1, 6), 7 * 4 * 5 * 11),
    ]  # fmt: skip


class _Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


def zoo_module(entry: Entry) -> tuple[Callable[[], nn.Module], tuple[int, ...]] | None:
    """A function that builds the entry's deploy form for one input, and the input's shape."""
    setting = next((s for s in entry.settings() if not entry.refusal(SITE, s)), None)
    if setting is None or entry.slot == "region":  # its two inputs have two shapes
        return None
    slot = entry.contract
    first, *further = slot.inputs(SITE, 1, generator=torch.Generator().manual_seed(0))
    keywords = slot.keywords(SITE)

    def make() -> nn.Module:
        torch.manual_seed(0)
        module = modules.fuse(entry.build(SITE, setting))
        return Bound(module, *further, **keywords) if further or keywords else module

    return make, tuple(first.shape)


def reported(counter: Counter, make: Callable[[], nn.Module], shape: tuple[int, ...]) -> float:
    """What a counter reports; NaN where it raises. What it prints is discarded."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return float(counter(make().eval(), shape))
        except Exception:  # noqa: BLE001 - a counter that fails is a result here
            return float("nan")


def _cell(value: float, exact: float) -> str:
    if np.isnan(value):
        return "error"
    if value == exact:
        return "1"
    return f"{value / exact:.3f}" if exact else f"{value:.0f}/0"


def accuracy(rows: list[tuple[str, Any, tuple[int, ...], float]], *, every: bool) -> None:
    """Print reported / exact; rows in which all agree only if ``every``."""
    exact_of = dict.fromkeys(COUNTERS, 0)
    print(f"{'':26}{'exact MACs':>14}" + "".join(f"{name:>17}" for name in COUNTERS))
    for name, make, shape, exact in rows:
        values = {tool: reported(counter, make, shape) for tool, counter in COUNTERS.items()}
        for tool, value in values.items():
            exact_of[tool] += value == exact
        if every or any(value != exact for value in values.values()):
            cells = "".join(f"{_cell(value, exact):>17}" for value in values.values())
            print(f"{name:26}{exact:>14,.0f}{cells}")
    print(f"{'exact':26}{'of ' + str(len(rows)):>14}" + "".join(
        f"{number:>17}" for number in exact_of.values()))  # fmt: skip


def speed(networks: int) -> None:
    """Print architectures per second of CPU time, each tool on the same new networks."""
    space = SearchSpace.from_config(
        {
            "stem": {"width": 16},
            "stages": [
                {"width": [16, 24], "depth": [1, 2, 3]},
                {"width": [32, 48], "depth": [1, 2, 3], "stride": 2},
            ],
            "slots": {"operator": "all", "attention": "all", "fusion": ["add"],
                      "activation": {"choices": ["relu"], "scope": "network"}},
            "context": ["none"],
            "pooling": ["gap"],
        },
        (3, 32, 32),
        10,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    codes = space.sample_codes(networks, rng)
    model = NetworkCost(space)
    model.costs_of(codes[:1])
    seconds: dict[str, list[float]] = {f"{tool}, whole network": [] for tool in COUNTERS}
    seconds["plugnas table, cold"] = []
    for row, architecture in zip(codes, space.architectures(codes), strict=True):
        jobs: dict[str, Callable[[], Any]] = {
            f"{tool}, whole network": lambda c=counter, a=architecture: reported(
                c, lambda: modules.fuse(space.build(a)), (1, 3, 32, 32)
            )
            for tool, counter in COUNTERS.items()
        }
        jobs["plugnas table, cold"] = lambda r=row: model.costs_of(r[None])
        for name in rng.permutation(list(jobs)):
            start = time.process_time()
            jobs[name]()
            seconds[name].append(time.process_time() - start)
    print(f"\narchitectures per second of CPU time ({networks} networks of {space}; median)")
    for name, times in seconds.items():
        low, high = np.percentile(times, [10, 90])
        print(f"{name:36}{1 / np.median(times):14,.1f}   (10-90 %: {1 / high:,.1f}-{1 / low:,.1f})")
    many = codes[rng.integers(len(codes), size=100_000)]
    for name, batch in (("codes", many), ("Architecture objects", space.architectures(many))):
        rates = []
        for _ in range(5):
            start = time.process_time()
            model.costs_of(batch)
            rates.append(len(many) / (time.process_time() - start))
        print(f"{'plugnas table, warm, ' + name:42}{np.median(rates):12,.0f}"
              f"   (5 runs: {min(rates):,.0f}-{max(rates):,.0f})")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--all", action="store_true", help="print modules on which all agree too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}, 1 thread")
    print("\nderived by hand: MACs reported / exact")
    accuracy(cases(), every=True)
    rows = []
    for entry in modules.entries():
        if (made := zoo_module(entry)) is not None:
            make, shape = made
            exact = reported(plugnas, make, shape)
            rows.append((f"{entry.slot} {entry.key}"[:26], make, shape, exact))
    print("\nthe zoo: MACs reported / exact, where they differ")
    accuracy(rows, every=args.all)
    speed(args.networks)


if __name__ == "__main__":
    main()
