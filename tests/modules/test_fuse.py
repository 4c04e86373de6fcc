"""Folding of convolution and batch norm against unfolded eval outputs, to float64 precision."""

import copy

import pytest
import torch
from torch import nn

from plugnas import modules
from plugnas.modules import _parts
from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import conv2d

RTOL = 1e-9
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def scrambled(module: nn.Module) -> nn.Module:
    """Generic float64 weights and statistics, eval mode."""
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(mean=0.3)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.2, 3.0)
    return module


def close(a, b):
    torch.testing.assert_close(a, b, rtol=RTOL, atol=1e-11)


CONVS = {
    "plain": lambda: nn.Conv2d(4, 6, 3),
    "no bias": lambda: nn.Conv2d(4, 6, 3, bias=False),
    "strided, padded": lambda: nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 2)),
    "dilated": lambda: nn.Conv2d(4, 6, 3, dilation=2, padding=2),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "depthwise": lambda: nn.Conv2d(4, 8, 3, groups=4, bias=False),
    "reflected": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
    "strided pointwise": lambda: conv2d(4, 6, stride=2),
    "same": lambda: nn.Conv2d(4, 6, 4, padding="same"),
    "1d": lambda: nn.Conv1d(4, 6, 3, padding=1),
    "1d grouped": lambda: nn.Conv1d(4, 6, 3, groups=2, bias=False),
    "3d": lambda: nn.Conv3d(4, 6, 3, padding=1),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1),
    "transposed grouped": lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False),
    "transposed 1d": lambda: nn.ConvTranspose1d(4, 6, 4, stride=2, groups=2),
    "transposed 3d": lambda: nn.ConvTranspose3d(4, 6, 2, stride=2),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", CONVS)
def test_fold(name, affine):
    torch.manual_seed(0)
    conv = CONVS[name]()
    rank = conv.weight.dim() - 2
    pair = scrambled(nn.Sequential(conv, NORMS[rank](conv.out_channels, eps=1e-3, affine=affine)))
    x = torch.randn(2, 4, *[8, 7, 9][:rank], dtype=torch.float64)
    before = pair(x)
    assert can_fold(*pair)
    folded = fold(*pair)
    close(folded(x), before)
    assert type(folded) is type(conv)
    for word in ("stride", "padding", "dilation", "groups", "padding_mode", "output_padding"):
        assert getattr(folded, word) == getattr(conv, word)
    assert folded.weight.requires_grad
    assert folded.bias.requires_grad
    assert torch.equal(pair(x), before), "fold changed its arguments"


def test_fold_keeps_dtype():
    folded = fold(nn.Conv2d(3, 4, 1).bfloat16(), nn.BatchNorm2d(4))
    assert folded.weight.dtype == folded.bias.dtype == torch.bfloat16


class NormAndReLU(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).relu()


def test_can_fold():
    conv = nn.Conv2d(3, 4, 1)
    assert can_fold(conv, nn.BatchNorm2d(4))
    assert can_fold(conv, _parts.BatchNorm2d(4))
    assert can_fold(nn.ConvTranspose1d(3, 4, 1), nn.BatchNorm1d(4))
    assert not can_fold(conv, nn.BatchNorm2d(4, track_running_stats=False))
    assert not can_fold(conv, nn.BatchNorm2d(3))
    assert not can_fold(conv, nn.GroupNorm(2, 4))
    assert not can_fold(conv, nn.InstanceNorm2d(4, track_running_stats=True))
    assert not can_fold(conv, NormAndReLU(4))
    assert not can_fold(nn.Linear(3, 4), nn.BatchNorm1d(4))
    assert not can_fold(nn.ReLU(), nn.BatchNorm2d(4))


def test_hooks_and_computed_weights_are_left_alone():
    for which in (0, 1):
        pair = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        pair[which].register_forward_hook(lambda module, args, y: 2 * y)
        assert not can_fold(*pair)
        pair = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        pair[which].register_forward_pre_hook(lambda module, args: (2 * args[0],))
        assert not can_fold(*pair)
    weight_norm = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 1))
    assert not can_fold(weight_norm, nn.BatchNorm2d(4))


class Residual(nn.Module):
    """Fused chains inside a module that is none."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            _parts.ConvBN(4, 6, 3, groups=2, activation=nn.ReLU()),
            _parts.ConvBN(6, 4, 3, dilation=2),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.absent = None

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def norms(model):
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def test_fuse_network():
    torch.manual_seed(0)
    model = scrambled(nn.Sequential(Residual(), nn.ReLU(), Residual())).train()
    kept = copy.deepcopy(model.state_dict())
    fused = modules.fuse(model)
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64)
    assert model.training
    assert not any(m.training for m in fused.modules())
    assert not norms(fused)
    assert len(norms(model)) == 6
    assert all(torch.equal(kept[k], v) for k, v in model.state_dict().items())
    model.eval()
    before = model(x)
    close(fused(x), before)
    with torch.no_grad():
        for parameter in fused.parameters():
            parameter.zero_()
    assert torch.equal(model(x), before), "the copy shares storage with the original"
    assert "0.body.0.0.weight" in fused.state_dict()  # names stay


def test_twice_is_once():
    torch.manual_seed(0)
    once = modules.fuse(scrambled(Residual()))
    twice = modules.fuse(once)
    assert all(torch.equal(v, twice.state_dict()[k]) for k, v in once.state_dict().items())


class Unfusable(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.chain = nn.Sequential(
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1),
            nn.ReLU(),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1),
            nn.BatchNorm2d(4, track_running_stats=False),
            nn.Conv2d(4, 4, 1),
            NormAndReLU(4),
        )

    def forward(self, x):
        return self.chain(self.norm(self.first(x)))


def test_a_network_it_cannot_fuse_comes_back_equal():
    torch.manual_seed(0)
    model = scrambled(Unfusable())
    fused = modules.fuse(model)
    assert fused is not model
    assert str(fused) == str(model)
    assert list(fused.state_dict()) == list(model.state_dict())
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    assert torch.equal(fused(x), model(x))


class Ordered(nn.Sequential):
    """A chain only in name: its forward puts a rectifier between its two members."""

    def forward(self, x):
        return self[1](self[0](x).relu())


def test_own_forward_of_a_chain_is_respected():
    torch.manual_seed(0)
    model = scrambled(nn.Sequential(Ordered(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))))
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    assert torch.equal(modules.fuse(model)(x), model(x))


class OwnForm(nn.Module):
    """Two branches that merge into one; counts on its children being fused before."""

    def __init__(self):
        super().__init__()
        self.left = _parts.ConvBN(4, 4)
        self.right = _parts.ConvBN(4, 4)

    def forward(self, x):
        return self.left(x) + self.right(x)

    def fuse(self):
        merged = copy.deepcopy(self.left[0])
        with torch.no_grad():
            merged.weight += self.right[0].weight
            merged.bias += self.right[0].bias
        return merged


class Sharing(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.one = nn.Sequential(self.conv, nn.BatchNorm2d(4))
        self.two = nn.Sequential(self.conv, nn.BatchNorm2d(4))
        self.again = self.two
        self.own = OwnForm()
        self.same = self.own
        self.listed = nn.ModuleList([self.own, self.two])

    def forward(self, x):
        x = self.conv(x) + self.one(x) * self.two(x) - self.again(x)
        return self.own(x) + self.same(x).relu() * self.listed[0](x) - self.listed[1](x)


def test_shared_modules():
    torch.manual_seed(0)
    model = scrambled(Sharing())
    fused = modules.fuse(model)
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    close(fused(x), model(x))
    assert isinstance(fused.own, nn.Conv2d)
    assert fused.own is fused.same is fused.listed[0]
    assert fused.two is fused.again is fused.listed[1]
    assert fused.one[0] is not fused.two[0]
    assert not norms(fused)


def test_the_model_itself_may_have_a_deploy_form():
    torch.manual_seed(0)
    model = scrambled(OwnForm())
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    close(modules.fuse(model)(x), model(x))
    bare = nn.Conv2d(4, 4, 1)
    assert torch.equal(modules.fuse(bare).weight, bare.weight)
