"""Global means: exact values."""

import torch

from plugnas.modules.pooling.gap import GeneralisedMeanPooling, GlobalAveragePooling


def test_mean():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[-1.0, 0.0], [0.0, 5.0]]]])
    pool = GlobalAveragePooling(2)
    assert pool(x).tolist() == [[3.0, 1.0]]
    assert pool.out_features == 2


def test_power_mean():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    pool = GeneralisedMeanPooling(3, eps=0.01).double()
    assert pool.p.item() == 3
    for p in (3.0, 1.0, 2.3):
        torch.nn.init.constant_(pool.p, p)
        y = pool(x)
        for b in range(2):
            for c in range(3):
                values = [max(v, 0.01) ** p for v in x[b, c].flatten().tolist()]
                mean = (sum(values) / len(values)) ** (1 / p)
                torch.testing.assert_close(y[b, c].item(), mean)


def test_power_mean_in_half_precision():
    """0.001 to the power 3 is 0 in half precision, and the root of 0 has no gradient."""
    x = torch.tensor([[[[0.001, 0.002]], [[-1.0, -2.0]]]], dtype=torch.float16, requires_grad=True)
    pool = GeneralisedMeanPooling(2).half()
    y = pool(x)
    assert y.dtype == torch.float16
    torch.testing.assert_close(
        y.float(), GeneralisedMeanPooling(2)(x.float()), rtol=2e-3, atol=1e-7
    )
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.any()
    assert pool.p.grad.isfinite()
