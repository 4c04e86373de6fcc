"""GELU against torch's and against the error function, value by value."""

import math

import pytest
import torch

from plugnas.modules import RefusedError
from plugnas.modules.activation.gelu import GELU

X = torch.linspace(-6, 6, 49, dtype=torch.float64)


def test_exact():
    torch.testing.assert_close(GELU()(X), torch.nn.GELU()(X))
    values = [v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in X.tolist()]
    torch.testing.assert_close(GELU()(X), torch.tensor(values, dtype=torch.float64))


def test_tanh():
    inner = [math.sqrt(2 / math.pi) * (v + 0.044715 * v**3) for v in X.tolist()]
    values = [v * (1 + math.tanh(t)) / 2 for v, t in zip(X.tolist(), inner, strict=True)]
    y = GELU(form="tanh")(X)
    torch.testing.assert_close(y, torch.tensor(values, dtype=torch.float64))
    assert 1e-5 < (y - GELU()(X)).abs().max() < 5e-4


def test_unknown_form_is_refused():
    with pytest.raises(RefusedError, match="exact, tanh"):
        GELU(form="sigmoid")
