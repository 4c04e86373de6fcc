"""Operators that start from a plain convolution compute exactly what it computed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.modules import Site
from plugnas.modules.operator.do_conv import DOConv
from tests.modules.generic import generic, rand

OPERATORS = [entry for entry in modules.entries() if entry.slot in ("operator", "transform")]
ADOPTERS = [entry for entry in OPERATORS if entry.takes_weights]


def conv(cin: int, cout: int, kernel: int | tuple[int, int], **more: Any) -> nn.Conv2d:
    """A convolution as hosts have them: padded by d (k - 1) / 2, random float64 weights."""
    size = (kernel, kernel) if isinstance(kernel, int) else kernel
    dilation = more.get("dilation", 1)
    padding = tuple(dilation * (n - 1) // 2 for n in size)
    return generic(nn.Conv2d(cin, cout, size, **{"padding": padding, "bias": False, **more}))


HOSTS = {
    "1x1": conv(4, 6, 1),
    "1x1 stride": conv(4, 6, 1, stride=2),
    "1x1 bias": conv(4, 4, 1, bias=True),
    "1x1 groups": conv(8, 12, 1, groups=4),
    "3x3": conv(4, 6, 3),
    "3x3 same width": conv(8, 8, 3, padding="same"),
    "3x3 stride": conv(4, 8, 3, stride=2),
    "3x3 bias": conv(4, 6, 3, bias=True),
    "3x3 dilation": conv(4, 6, 3, dilation=2),
    "3x3 groups": conv(8, 8, 3, groups=2, stride=2),
    "3x3 depthwise": conv(8, 8, 3, groups=8, stride=2),
    "3x3 two filters a channel": conv(4, 8, 3, groups=4),
    "5x5 depthwise": conv(6, 6, 5, groups=6),
    "7x7 first layer": conv(3, 8, 7, stride=2),
    "1x7": conv(4, 6, (1, 7)),
    "7x1": conv(6, 4, (7, 1)),
}
# What no operator can be: another size of map, another padding, a convolution that computes more.
REFUSED = {
    "valid": nn.Conv2d(4, 6, 3),
    "even": nn.Conv2d(4, 4, 2, 2),
    "reflect": nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect", bias=False),
    "two strides": nn.Conv2d(4, 6, 3, (2, 1), padding=1, bias=False),
    "computed weight": nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3, padding=1)),
}
CASES = [(entry, setting) for entry in ADOPTERS for setting in entry.settings()]


def _name(case: tuple[modules.Entry, dict[str, Any]]) -> str:
    entry, setting = case
    return entry.key + "".join(f"-{k}={modules.token(v)}" for k, v in setting.items())


def _build(entry: modules.Entry, setting: dict[str, Any], host: nn.Conv2d) -> nn.Module:
    torch.manual_seed(0)
    site = Site(host.in_channels, 9, 8, host.stride[0], host.out_channels)
    return entry.build(site, setting).double()


def _equal(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0.0, atol=1e-12 * max(1.0, float(b.abs().max())))


def _normed(module: nn.Module) -> bool:
    """Whether a norm of the output's own values stands in the way, so that training differs."""
    return any(isinstance(m, nn.BatchNorm2d) and m.weight.any() for m in module.modules())


@pytest.mark.parametrize("case", CASES, ids=map(_name, CASES))
def test_outputs_are_the_convolution_s(case):
    entry, setting = case
    for host in HOSTS.values():
        if modules.can_adopt(entry, setting, host) is not None:
            continue
        module: Any = _build(entry, setting, host)
        x = rand(2, host.in_channels, 9, 8)
        with torch.no_grad():
            module.adopt(host)
            y = host(x)
            _equal(module.eval()(x), y)
            if entry.has_deploy_form:
                _equal(modules.fuse(module)(x), y)
            if not _normed(module):
                _equal(module.train()(x), y)
                _equal(module.eval()(x), y)
        assert all(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("entry", ADOPTERS, ids=lambda entry: entry.key)
def test_a_refusal_changes_nothing(entry):
    for host in HOSTS.values():
        reason = modules.can_adopt(entry, {}, host)
        if reason is not None:
            module: Any = _build(entry, {}, host)
            before = {k: v.clone() for k, v in module.state_dict().items()}
            with pytest.raises(modules.AdoptError) as error:
                module.adopt(host)
            assert str(error.value) == reason
            after = module.state_dict()
            assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("entry", ADOPTERS, ids=lambda entry: entry.key)
def test_every_adopter_adopts_something(entry):
    settings = list(entry.settings())
    pairs = itertools.product(settings, HOSTS.values())
    assert any(modules.can_adopt(entry, *pair) is None for pair in pairs)


def test_who_adopts_a_3x3_convolution():
    host = conv(8, 8, 3)
    able = {
        entry.key
        for entry in OPERATORS
        if any(modules.can_adopt(entry, setting, host) is None for setting in entry.settings())
    }
    assert able >= {
        "ac_block", "cond_conv", "conv", "deform_conv", "do_conv", "dynamic_conv", "fused_conv_bn",
        "het_conv",
    }  # fmt: skip
    assert not able & {"coconv", "psconv", "dilated_conv", "pointwise_conv", "group_conv"}


def test_the_others_say_that_weights_are_lost():
    for entry in OPERATORS:
        if entry not in ADOPTERS:
            assert modules.can_adopt(entry, {}, HOSTS["3x3"]) == (
                f"`{entry.key}` cannot start from a convolution: its weights are lost"
            )


@pytest.mark.parametrize("host", REFUSED.values(), ids=REFUSED)
def test_what_no_operator_can_be(host):
    for entry, setting in CASES:
        assert modules.can_adopt(entry, setting, host)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (conv(4, 6, 5), "no taps where a 5x5 one of dilation 1x1 reads; take a larger kernel_size"),
        (conv(4, 6, 3, bias=True), "add the bias behind the operator"),
        (conv(4, 8, 3), "maps 4 channels to 6, but the convolution maps 4 to 8"),
        (conv(4, 6, 3, stride=2), "stride 1 on both axes, but the convolution has 2x2"),
        (REFUSED["valid"], "must be d (k - 1) / 2, but the 3x3 convolution"),
        (REFUSED["reflect"], "padding_mode is 'reflect'"),
        (REFUSED["computed weight"], "only a plain torch.nn.Conv2d"),
    ],
)
def test_the_law_the_value_the_remedy(host, words):
    with pytest.raises(modules.AdoptError) as error:
        DOConv(4, 6).adopt(host)
    assert words in str(error.value)


def test_training_goes_on_from_there():
    """One step of descent lowers the loss: what was adopted is trained, nothing is cut off."""
    host = conv(4, 6, 3)
    x, target = rand(3, 4, 9, 8), rand(3, 6, 9, 8, seed=5)
    for entry, setting in CASES:
        if modules.can_adopt(entry, setting, host):
            continue
        module: Any = _build(entry, setting, host)
        module.adopt(host)
        module.eval()
        loss = (module(x) - target).square().mean()
        loss.backward()
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter -= 1e-3 * parameter.grad
        assert (module(x) - target).square().mean() < loss, entry.key


def test_asking_allocates_and_changes_nothing():
    host = nn.Conv2d(4, 6, 3, padding=1, bias=False, device="meta")
    state = torch.random.get_rng_state()
    assert modules.can_adopt(modules.get("do_conv"), {"kernel_size": 7}, host) is None
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(modules.UnknownModuleError, match="did you mean `kernel_size`"):
        modules.can_adopt(modules.get("do_conv"), {"kernel": 7}, host)


def test_weights_keep_their_device_and_dtype():
    module = DOConv(4, 6)
    module.adopt(conv(4, 6, 3))  # float64
    assert module.weight.dtype == torch.float32
