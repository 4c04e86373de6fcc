"""The contract that every module keeps, as functions of an entry, a setting and a site."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules import Entry, Site

# Their graphs are long (every place of a window, every block is written out) and take seconds to
# export: each value of each choice is exported once, rather than every combination.
LONG_GRAPHS = {
    "acmix", "axial_image_transformer", "carafe", "cascaded_group", "deformable_attention",
    "dilate", "freq_fusion", "involution",
}  # fmt: skip


def is_exported(entry: Entry, setting: dict[str, Any]) -> bool:
    """Whether the export walk tries the setting."""
    if entry.key not in LONG_GRAPHS:
        return True
    seen: set[tuple[str, Any]] = set()
    for other in entry.settings():
        new = set(other.items()) - seen
        if other == setting:
            return bool(new)
        seen |= new
    raise ValueError(f"{setting} is no setting of {entry.key}")


def sites(entry: Entry) -> tuple[Site, ...]:
    """The sites at which an entry is tried; the first is the one where everything must work."""
    return entry.contract.sites


def build_unchecked(entry: Entry, setting: dict[str, Any], site: Site) -> nn.Module:
    """Build past the declaration's refusal, to see whether the refusal tells the truth."""
    torch.manual_seed(0)
    return entry.contract.build(entry.cls, site, setting)


def inputs(entry: Entry, site: Site, batch: int, seed: int = 1, **kind: Any) -> tuple[Tensor, ...]:
    """Random inputs of the slot's contract; ``kind`` is passed on (device, dtype)."""
    generator = None if kind.get("device") == "meta" else torch.Generator().manual_seed(seed)
    return entry.contract.inputs(site, batch, generator=generator, **kind)


def keywords(entry: Entry, site: Site) -> dict[str, Any]:
    """Keyword arguments of the slot's forward."""
    return entry.contract.keywords(site)


def expected_shape(entry: Entry, module: nn.Module, site: Site, batch: int) -> tuple[int, ...]:
    """The output shape that the slot's contract promises."""
    return entry.contract.output_shape(site, batch, module)


def _run(module: nn.Module, entry: Entry, site: Site, args: tuple[Tensor, ...]) -> Tensor:
    return module(*args, **keywords(entry, site))


def _close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    """Equal up to rounding, which in a deep module scales with its largest value."""
    scale = max(1.0, float(b.abs().max()))
    torch.testing.assert_close(a, b, rtol=10 * tolerance, atol=tolerance * scale)


def _scramble(module: nn.Module, seed: int = 2) -> None:
    """Give every parameter and norm statistic a generic value: zero inits hide dead branches."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.mul_(1.5)


def check_values(entry: Entry, setting: dict[str, Any], site: Site) -> None:
    """Shape, dtype, finiteness, purity, determinism, independence of the batch, round trips."""
    module = build_unchecked(entry, setting, site)
    _scramble(module)
    module.eval()
    args = inputs(entry, site, 3)
    kept = [a.clone() for a in args]
    with torch.no_grad():
        y = _run(module, entry, site, args)
        assert tuple(y.shape) == expected_shape(entry, module, site, 3)
        assert y.dtype == torch.float32
        assert y.isfinite().all()
        for before, after in zip(kept, args, strict=True):
            assert torch.equal(before, after), "the module changed its input in place"
        assert torch.equal(y, _run(module, entry, site, args)), "eval mode is not deterministic"
        if entry.batch_dependent is None:
            one = _run(module, entry, site, tuple(a[:1] for a in args))
            _close(one, y[:1])
        if args[0].dim() == 4:
            last = tuple(
                a.contiguous(memory_format=torch.channels_last) if a.dim() == 4 else a for a in args
            )
            other = copy.deepcopy(module).to(memory_format=torch.channels_last)
            _close(_run(other, entry, site, last), y)
        torch.manual_seed(5)
        fresh = build_unchecked(entry, setting, site).eval()
        fresh.load_state_dict(module.state_dict(), strict=True)
        assert torch.equal(_run(fresh, entry, site, args), y), "state_dict does not carry all"
        assert torch.equal(_run(copy.deepcopy(module), entry, site, args), y)
        double = copy.deepcopy(module).double()
        z = _run(double, entry, site, tuple(a.double() for a in args))
        assert z.dtype == torch.float64
        _close(z.float(), y, tolerance=1e-4)


def check_training(entry: Entry, setting: dict[str, Any], site: Site, *, batch: int) -> None:
    """A finite gradient in every parameter and in the input, in train mode."""
    module, args = _backward(entry, setting, site, batch, seed=3)
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches {name}"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
    assert args[0].grad is not None
    assert args[0].grad.isfinite().all()


def check_alive(entry: Entry, setting: dict[str, Any], site: Site) -> None:
    """Every parameter moves the output: for one of some random draws its gradient is not 0."""
    dead = None
    for seed in range(8):
        module, _ = _backward(entry, setting, site, 2, seed=seed)
        still = {name for name, p in module.named_parameters() if not p.grad.abs().max() > 0}
        dead = still if dead is None else dead & still
        if not dead:
            return
    raise AssertionError(f"parameters that never matter: {sorted(dead)}")


def _backward(
    entry: Entry, setting: dict[str, Any], site: Site, batch: int, seed: int
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    module = build_unchecked(entry, setting, site)
    _scramble(module, seed)
    module.train()
    args = tuple(a.requires_grad_() for a in inputs(entry, site, batch, seed=seed))
    y = _run(module, entry, site, args)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))
    (y * weight).sum().backward()
    return module, args


def check_autocast(entry: Entry, setting: dict[str, Any], site: Site) -> None:
    """bf16 autocast runs forward and backward with finite values."""
    module = build_unchecked(entry, setting, site).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = _run(module, entry, site, inputs(entry, site, 2))
    assert y.float().isfinite().all()
    if y.requires_grad:
        y.float().sum().backward()


def check_meta(entry: Entry, setting: dict[str, Any], site: Site) -> None:
    """Built and run on the meta device, the output has the promised shape."""
    with torch.device("meta"):
        module = build_unchecked(entry, setting, site).eval()
        args = inputs(entry, site, 2, device="meta")
    y = _run(module, entry, site, args)
    assert y.device.type == "meta"
    assert tuple(y.shape) == expected_shape(entry, module, site, 2)


def check_export(entry: Entry, setting: dict[str, Any], site: Site) -> None:
    """torch.export with a dynamic batch gives the same values at other batch sizes."""
    module = build_unchecked(entry, setting, site)
    _scramble(module)
    module.eval()
    args = inputs(entry, site, 3)
    batch = torch.export.Dim("batch", min=1, max=64)
    arg_names = ["x", "y"][: len(args)]
    wrapped = _Positional(module, keywords(entry, site), len(args))
    program = torch.export.export(
        wrapped, args, dynamic_shapes={name: {0: batch} for name in arg_names}, strict=False
    )
    run = program.module()
    for n in (1, 2, 3):
        some = inputs(entry, site, n)
        with torch.no_grad():
            _close(run(*some), wrapped(*some))


class _Positional(nn.Module):
    """One- or two-input view of a module with its keyword arguments bound."""

    def __new__(cls, module: nn.Module, kwargs: dict[str, Any], count: int) -> nn.Module:
        return super().__new__(_One if count == 1 else _Two)

    def __init__(self, module: nn.Module, kwargs: dict[str, Any], count: int) -> None:
        super().__init__()
        self.module, self.kwargs = module, kwargs


class _One(_Positional):
    def forward(self, x: Tensor) -> Tensor:
        return self.module(x, **self.kwargs)


class _Two(_Positional):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.module(x, y, **self.kwargs)
