"""Counts held against hand derivations and published figures."""

import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from plugnas.nas.cost import UncountedOperatorError, Work, count, rule
from plugnas.nas.cost.rules import RULES


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function, *weights):
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList(weights)

    def forward(self, *inputs):
        return self.function(*inputs, *self.weights)


def macs(function, *shapes, weights=(), **kind):
    inputs = [torch.randn(*shape, **kind) for shape in shapes]
    return count(Call(function, *[torch.randn(*w) for w in weights]), *inputs).macs


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv2d(8, 12, 3, padding=1), (1, 8, 9, 7), 9 * 7 * 12 * 8 * 9),
        (nn.Conv2d(8, 12, 3, stride=2, padding=1), (1, 8, 9, 7), 5 * 4 * 12 * 8 * 9),
        (nn.Conv2d(8, 12, (1, 5), groups=4), (1, 8, 9, 7), 9 * 3 * 12 * 2 * 5),
        (nn.Conv2d(8, 8, 3, groups=8, dilation=2, padding=2), (1, 8, 9, 7), 9 * 7 * 8 * 9),
        (nn.ConvTranspose2d(8, 12, 4, stride=2), (1, 8, 9, 7), 9 * 7 * 8 * 12 * 16),
        (nn.ConvTranspose2d(8, 12, 4, stride=2, groups=4), (1, 8, 9, 7), 9 * 7 * 8 * 3 * 16),
        (nn.Conv1d(8, 12, 3), (1, 8, 10), 8 * 12 * 8 * 3),
        (nn.Linear(8, 5), (3, 4, 8), 12 * 8 * 5),
        (nn.LSTM(6, 5, bidirectional=True), (7, 2, 6), 2 * 14 * 4 * 5 * (6 + 5)),
        (nn.GRU(6, 5, num_layers=2), (7, 2, 6), 14 * 3 * 5 * ((6 + 5) + (5 + 5))),
    ],
)
def test_layers_by_hand(layer, shape, expected):
    assert count(layer, torch.randn(shape)).macs == expected


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (torch.mv, [(4, 5), (5,)], 20),
        (torch.dot, [(5,), (5,)], 5),
        (torch.addmv, [(4,), (4, 5), (5,)], 20),
        (lambda a, b: a @ b, [(3, 4, 5), (5, 6)], 3 * 4 * 5 * 6),
        (torch.cdist, [(9, 4), (5, 4)], 9 * 5 * 4),
        (torch.cdist, [(2, 90, 4), (2, 55, 4)], 2 * 90 * 55 * 4),  # torch switches to a product
        (lambda a, b: torch.cdist(a, b, p=1.0), [(9, 4), (5, 4)], 9 * 5 * 4),
        (F.bilinear, [(5, 3), (5, 4), (7, 3, 4)], 5 * 7 * (3 * 4 + 4)),
        (lambda x, w: torch.einsum("bchw,oc->bohw", x, w), [(1, 6, 3, 4), (5, 6)], 12 * 6 * 5),
        (torch.fft.fft2, [(2, 8, 16)], 2 * 5 * 128 * 7 // 2),  # torch makes it complex first
        (torch.fft.rfft2, [(2, 8, 16)], round(2 * 5 * 128 * 7 / 4)),
        (lambda x: torch.fft.irfft2(torch.fft.rfft2(x)), [(2, 8, 16)], 2 * 2240),
    ],
)
def test_operators_by_hand(function, shapes, expected):
    assert macs(function, *shapes) == expected


def test_complex_products_cost_four():
    a, b = torch.randn(3, 4, dtype=torch.complex64), torch.randn(4, 5, dtype=torch.complex64)
    assert count(Call(lambda x, y: x @ y), a, b).macs == 4 * 3 * 4 * 5
    points = torch.randn(2, 8, dtype=torch.complex64)
    assert count(Call(torch.fft.fft), points).macs == 2 * 5 * 8 * 3 // 2
    assert count(Call(torch.mul), a, a).elementwise == 6 * 12


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_attention_three_ways(device):
    """As products, as one call and as torch's layer: 2 N N d per head, projections 4 N D D."""
    b, heads, n, d = 1, 4, 10, 6
    q = torch.randn(b, heads, n, d, device=device)

    def products(q, k, v):
        return (q @ k.transpose(-1, -2)).softmax(-1) @ v

    expected = b * heads * 2 * n * n * d
    assert count(Call(products), q, q, q).macs == expected
    assert count(Call(F.scaled_dot_product_attention), q, q, q).macs == expected
    assert count(Call(products), q, q, q).elementwise == 5 * heads * n * n
    layer = nn.MultiheadAttention(heads * d, heads, batch_first=True, device=device)
    x = torch.randn(b, n, heads * d, device=device)
    projections = 4 * n * (heads * d) ** 2
    for weights in (True, False):  # the second would take the fused path
        counted = count(layer, x, x, x, need_weights=weights)
        assert counted.macs == expected + projections
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("kind", ["einsum", "sum", "view", "taps"])
def test_involution_however_it_is_written(kind):
    """Kernels (B, G, 9, H, W) times patches (B, G, C / G, 9, H, W), summed over the taps."""
    kernels, patches = torch.randn(1, 2, 9, 4, 5), torch.randn(1, 2, 3, 9, 4, 5)

    def run(k, u):
        if kind == "einsum":
            return torch.einsum("bgkhw,bgckhw->bgchw", k, u)
        if kind == "taps":
            total = torch.zeros(1, 2, 3, 4, 5, device=k.device)
            for i in range(9):
                total = torch.addcmul(total, k[:, :, None, i], u[:, :, :, i])
            return total
        product = k[:, :, None] * u
        return (product.view(1, 6, 9, 4, 5) if kind == "view" else product).sum(-3)

    counted = count(Call(run), kernels, patches)
    assert counted.macs == 6 * 9 * 4 * 5
    assert counted.elementwise == 0


def test_sums_that_contract_nothing_stay_elementwise():
    x, gate = torch.randn(1, 6, 4, 5), torch.randn(1, 6, 1, 1)
    gated = count(Call(lambda x, g: (x * g).sum((2, 3))), x, gate)
    assert (gated.macs, gated.elementwise) == (0, 2 * 120)
    scaled = count(Call(lambda x: (x * 3).sum()), x)
    assert (scaled.macs, scaled.elementwise) == (0, 2 * 120)
    spatial = torch.randn(1, 1, 4, 5)
    apart = nn.Sequential(Call(lambda x: x * spatial), Call(lambda x: x.sum((2, 3))))
    assert count(apart, x).macs == 0  # each is counted as it would be alone
    pooled = count(Call(lambda x, g: (x * g).sum((2, 3))), x, spatial)
    assert (pooled.macs, pooled.elementwise) == (120, 0)


def test_condconv_mixes_kernels_and_convolves_once():
    """Four experts mixed by a routing: 4 MACs per weight, then one convolution."""
    experts, x = torch.randn(4, 12 * 8 * 9), torch.randn(1, 8, 6, 6)

    def run(x, routing, experts):
        return F.conv2d(x, (routing @ experts).view(12, 8, 3, 3), padding=1)

    counted = count(Call(run), x, torch.randn(1, 4), experts)
    assert counted.macs == 4 * 864 + 36 * 864


def test_deformable_convolution():
    x, offset, mask = torch.randn(1, 8, 6, 7), torch.randn(1, 18, 6, 7), torch.rand(1, 9, 6, 7)
    weight = torch.randn(12, 4, 3, 3)

    def run(x, offset, weight, mask=None):
        return torchvision.ops.deform_conv2d(x, offset, weight, padding=1, mask=mask)

    plain = count(Call(run), x, offset, weight)
    assert plain.macs == 6 * 7 * 12 * 4 * 9  # two groups
    assert plain.elementwise == 6 * 7 * 9 * 8 * 8  # 4 taps, multiply and add
    assert count(Call(run), x, offset, weight, mask).elementwise == 6 * 7 * 9 * 8 * 9


def test_elementwise_by_hand():
    def run(x):
        y = F.relu(x) + 1  # 2 per element
        y = F.softmax(y, 1)  # 5
        y = F.layer_norm(y, y.shape[1:])  # 7
        return F.max_pool2d(y, 2).mean()  # 4 taps per output, then 1 per input

    assert count(Call(run), torch.randn(1, 3, 8, 8)).elementwise == 192 * 14 + 48 * 4 + 48


def test_memory_is_the_live_peak():
    """x, y and z live together while z is formed; the first map dies as soon as it is replaced."""
    net = nn.Sequential(nn.Conv2d(2, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 1, 1))
    counted = count(net, torch.zeros(1, 2, 10, 10))
    assert counted.memory == 4 * 100 * (2 + 8 + 8)
    in_place = nn.Sequential(nn.Conv2d(2, 8, 1), nn.ReLU(inplace=True))
    assert count(in_place, torch.zeros(1, 2, 10, 10)).memory == 4 * 100 * (2 + 8)


def test_counting_leaves_no_trace():
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    net[1].eval()
    before = net[0].running_mean.clone()
    count(net, torch.randn(1, 2, 4, 4))
    assert (net.training, net[0].training, net[1].training) == (True, True, False)
    assert torch.equal(net[0].running_mean, before)


def test_shared_weights_are_one_parameter():
    layer = nn.Linear(4, 4)
    counted = count(nn.Sequential(layer, layer), torch.randn(1, 4))
    assert (counted.params, counted.macs, counted.flops) == (20, 32, 64)


def test_an_operator_without_a_rule_is_an_error_that_names_it():
    with pytest.raises(UncountedOperatorError, match=r"aten\.digamma|aten\.linalg_qr"):
        count(Call(lambda x: torch.linalg.qr(x).Q), torch.randn(4, 4))


@pytest.mark.parametrize("named", [torch.ops.aten.linalg_qr, "aten.linalg_qr"])
def test_a_rule_can_be_registered(named):
    try:
        rule(named)(lambda x, *_, out, **__: Work(macs=x.shape[-1] ** 3))
        assert macs(lambda x: torch.linalg.qr(x).Q, (4, 4)) == 64
    finally:
        RULES.pop(named)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "mobilenet_v3_small",
        "vit_b_16",
        "swin_t",
        "swin_v2_t",
        "maxvit_t",
        "convnext_tiny",
        "efficientnet_b0",
        "regnet_y_400mf",
        "shufflenet_v2_x1_0",
        "densenet121",
        "squeezenet1_0",
    ],
)
def test_published_figures_are_met_exactly(name):
    """torchvision's own GMACs and parameters, as its weights' metadata state them."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    size = 256 if name == "swin_v2_t" else 224
    model = torchvision.models.get_model(name).to("meta")
    counted = count(model, torch.zeros(1, 3, size, size, device="meta"))
    assert counted.params == weights.meta["num_params"]
    assert round(counted.macs / 1e9, 3) == weights.meta["_ops"]


def test_fft_of_a_single_point_is_free():
    assert macs(torch.fft.fft, (3, 1)) == 0
    assert macs(torch.fft.rfft, (1, 6)) == round(5 * 6 * math.log2(6) / 4)
