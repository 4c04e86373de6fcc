"""ExFuse's gate against loops over pixels."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.fusion.semantic_embedding import SemanticEmbedding
from tests.modules.test_fuse import close, scrambled


@pytest.mark.parametrize("project_low", [False, True])
def test_formula(project_low):
    torch.manual_seed(0)
    module = scrambled(SemanticEmbedding(3, project_low=project_low, y_channels=2))
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    y = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    padded = F.pad(y, (1, 1, 1, 1))
    gate = torch.zeros(2, 3, 3, 4, dtype=torch.float64)
    for i in range(3):
        for j in range(4):
            window = padded[:, :, i : i + 3, j : j + 3].reshape(2, -1)
            gate[:, :, i, j] = window @ module.gate.weight.reshape(3, -1).T + module.gate.bias
    gate = F.interpolate(gate, size=(5, 7), mode="bilinear")
    low = x
    if project_low:
        weight, bias = module.low.weight[:, :, 0, 0], module.low.bias
        low = (x.movedim(1, -1) @ weight.T + bias).movedim(-1, 1)
    close(module(x, y), low * gate)
