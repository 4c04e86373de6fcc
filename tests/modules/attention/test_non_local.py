"""Non-local blocks: embedded gaussian against timm's, all forms against sums over pairs."""

import timm.layers
import torch

from plugnas import modules
from plugnas.modules.attention.non_local import NonLocal
from tests.modules.generic import batch_norm, generic, pointwise, rand


def test_embedded_gaussian_equals_timm():
    ours = generic(NonLocal(8))
    theirs = timm.layers.NonLocalAttn(8, use_scale=False, rd_channels=4).double().eval()
    theirs.t.load_state_dict(ours.theta.state_dict())
    any_bias = rand(4, seed=7)  # whatever it is, softmax cancels it
    theirs.p.load_state_dict({"weight": ours.phi.weight, "bias": any_bias})
    theirs.g.load_state_dict({"weight": ours.value.weight, "bias": torch.zeros(4)})
    theirs.z.load_state_dict({"weight": ours.out[0].weight, "bias": torch.zeros(8)})
    theirs.norm.load_state_dict(ours.out[1].state_dict())
    x = rand(2, 8, 3, 5)
    torch.testing.assert_close(ours(x), theirs(x))


def _largest_of_squares(x):
    height, width = x.shape[2] // 2, x.shape[3] // 2
    y = x.new_empty(*x.shape[:2], height, width)
    for i in range(height):
        for j in range(width):
            y[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten(2).amax(2)
    return y


def _literal(ours, x, mode, subsample, norm):
    pool = _largest_of_squares if subsample else lambda t: t
    g = pool(pointwise(x, ours.value.weight, ours.value.bias))[0].flatten(1).T
    if mode == "gaussian":
        theta, phi = x[0].flatten(1).T, pool(x)[0].flatten(1).T
    else:
        theta = pointwise(x, ours.theta.weight, ours.theta.bias)[0].flatten(1).T
        phi = pool(pointwise(x, ours.phi.weight, ours.phi.bias))[0].flatten(1).T
    y = []
    for i in range(len(theta)):
        total, weighted = 0.0, 0.0
        for j in range(len(phi)):
            if mode == "concatenation":
                w = torch.cat([ours.pair_theta.weight.flatten(), ours.pair_phi.weight.flatten()])
                f = (w @ torch.cat([theta[i], phi[j]])).clamp(min=0)
            else:
                f = theta[i] @ phi[j]
                f = f if mode == "dot_product" else f.exp()
            total = total + f
            weighted = weighted + f * g[j]
        y.append(weighted / (total if "gaussian" in mode else len(phi)))
    y = pointwise(torch.stack(y, 1)[None], ours.out[0].weight, ours.out[0].bias)
    y = batch_norm(y, ours.out[1]) if norm else y
    return x + y.reshape(x.shape)


def test_all_forms_equal_sums_over_pairs():
    for mode in ("gaussian", "embedded_gaussian", "dot_product", "concatenation"):
        for subsample, norm in ((False, True), (True, False)):
            ours = generic(NonLocal(6, mode=mode, subsample=subsample, norm=norm))
            x = rand(1, 6, 3, 4)
            torch.testing.assert_close(ours(x), _literal(ours, x, mode, subsample, norm))
            torch.testing.assert_close(modules.fuse(ours)(x), ours(x), rtol=1e-9, atol=1e-9)


def test_starts_as_identity():
    x = rand(2, 6, 3, 4).float()
    for norm in (True, False):
        assert torch.equal(NonLocal(6, norm=norm)(x), x)
