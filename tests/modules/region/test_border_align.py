"""BorderAlign point by point, from the definition of its bilinear samples."""

import math

import pytest
import torch

from plugnas.modules.region.border_align import BorderAlign


def sample(plane, x, y):
    """Bilinear value of a plane (H, W), as the region operators define it."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    x0, y0 = math.floor(x), math.floor(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    u, v = x - x0, y - y0
    return float(
        (1 - v) * ((1 - u) * plane[y0, x0] + u * plane[y0, x1])
        + v * ((1 - u) * plane[y1, x0] + u * plane[y1, x1])
    )


def reference(feature, boxes, pool_size):
    batch, four, _, _ = feature.shape
    c = four // 4
    out = torch.zeros(batch, c, boxes.shape[1], 4, dtype=feature.dtype)
    for b in range(batch):
        for k, (x1, y1, x2, y2) in enumerate(boxes[b].tolist()):
            dx, dy = (x2 - x1) / pool_size, (y2 - y1) / pool_size
            walks = [(x1, y1, dx, 0), (x1, y1, 0, dy), (x2, y2, -dx, 0), (x2, y2, 0, -dy)]
            for border, (x, y, sx, sy) in enumerate(walks):
                for channel in range(c):
                    plane = feature[b, border * c + channel]
                    out[b, channel, k, border] = max(
                        sample(plane, x + i * sx, y + i * sy) for i in range(pool_size + 1)
                    )
    return out


def boxes(batch, count, height, width):
    """Random boxes, some reaching beyond the map on either side."""
    corner = torch.rand(batch, count, 2, dtype=torch.float64) * 6 - 3
    size = torch.rand(batch, count, 2, dtype=torch.float64) * torch.tensor([width, height])
    return torch.cat([corner, corner + size + 1], -1)


@pytest.mark.parametrize(("pool_size", "size"), [(5, (6, 9)), (10, (4, 3)), (5, (1, 1))])
def test_every_point(pool_size, size):
    torch.manual_seed(0)
    feature = torch.randn(2, 12, *size, dtype=torch.float64)
    some = boxes(2, 7, *size)
    y = BorderAlign(3, pool_size=pool_size)(feature, some)
    torch.testing.assert_close(y, reference(feature, some, pool_size), rtol=1e-9, atol=1e-9)


def test_all_outside_is_zero():
    feature = -torch.ones(1, 4, 5, 5)
    some = torch.tensor([[[10.0, 10.0, 12.0, 13.0], [1.0, 1.0, 3.0, 3.0]]])
    y = BorderAlign(1)(feature, some)
    assert y.tolist() == [[[[0.0] * 4, [-1.0] * 4]]]


def test_gradient():
    """It reaches the feature at the strongest points alone, and never the boxes."""
    feature = torch.zeros(1, 4, 4, 5)
    feature[0, 0, 1] = torch.tensor([0.0, 1.0, 5.0, 2.0, 0.0])  # the top border's block
    feature.requires_grad_()
    some = torch.tensor([[[0.0, 1.0, 4.0, 3.0]]], requires_grad=True)
    BorderAlign(1, pool_size=4)(feature, some)[..., 0].sum().backward()
    expected = torch.zeros(4, 4, 5)
    expected[0, 1, 2] = 1
    torch.testing.assert_close(feature.grad[0], expected)
    assert some.grad is None


def test_a_batch_of_nothing_and_no_boxes():
    align = BorderAlign(3)
    assert align(torch.zeros(0, 12, 4, 5), torch.zeros(0, 2, 4)).shape == (0, 3, 2, 4)
    assert align(torch.zeros(2, 12, 4, 5), torch.zeros(2, 0, 4)).shape == (2, 3, 0, 4)
