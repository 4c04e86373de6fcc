"""Context gating against the formula on vectors."""

import pytest
import torch

from plugnas import modules
from plugnas.modules.pooling.context_gating import ContextGating
from tests.modules.test_fuse import close, scrambled


@pytest.mark.parametrize("batch_norm", [False, True])
def test_formula(batch_norm):
    torch.manual_seed(0)
    module = scrambled(ContextGating(5, batch_norm=batch_norm))
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64)
    weight = module.gate[0].weight[:, :, 0, 0]
    out = module(x)
    for b in range(3):
        z = torch.stack([x[b, c].sum() / 8 for c in range(5)])
        logits = torch.stack([sum(weight[o, i] * z[i] for i in range(5)) for o in range(5)])
        if batch_norm:
            n = module.gate[1]
            logits = (logits - n.running_mean) * n.weight / torch.sqrt(n.running_var + n.eps)
            logits = logits + n.bias
        else:
            logits = logits + module.gate[0].bias
        close(out[b], z / (1 + torch.exp(-logits)))
        close(module(z[None])[0], out[b])
    close(modules.fuse(module)(x), out)


def test_training_normalises_over_the_batch():
    torch.manual_seed(0)
    module = ContextGating(5).double()
    z = torch.randn(6, 5, dtype=torch.float64)
    logits = z @ module.gate[0].weight[:, :, 0, 0].T
    centred = logits - logits.mean(0)
    normalised = centred / torch.sqrt((centred**2).mean(0) + 1e-5)
    close(module(z), z * torch.sigmoid(normalised))


def test_initial_weight():
    torch.manual_seed(0)
    weight = ContextGating(64).gate[0].weight
    assert abs(weight.std() * 8 - 1) < 0.05
