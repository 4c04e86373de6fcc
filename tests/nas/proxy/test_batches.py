"""What becomes of images on their way to the network, pixel by pixel."""

import dataclasses

import numpy as np
import pytest
import torch

from plugnas.nas.data import load
from plugnas.nas.proxy import Recipe, RecipeError
from plugnas.nas.proxy.batches import Batches, Moves, steps_per_epoch

CPU = torch.device("cpu")


def _colourful(digits, height=6, width=10, channels=3, count=40):
    """Random images of another shape in the place of the digits."""
    images = torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8)
    return dataclasses.replace(
        digits,
        images=images,
        labels=torch.arange(count) % 10,
        train=torch.arange(count),
        mean=torch.full((channels,), 0.4),
        std=torch.full((channels,), 0.2),
    )


def test_plain_batches_are_scaled_and_channels_last(digits):
    data = _colourful(digits)
    rows = torch.tensor([3, 1, 7])
    x, y = Batches(data, Recipe(), CPU).plain(rows)
    expected = (data.images[rows].float() / 255 - 0.4) / 0.2
    torch.testing.assert_close(x, expected.permute(0, 3, 1, 2))
    assert x.is_contiguous(memory_format=torch.channels_last) and x.dtype == torch.float32
    assert y.tolist() == [3, 1, 7]


def test_shift_and_mirror_move_pixels_by_what_was_drawn(digits):
    data = _colourful(digits)
    batches = Batches(data, Recipe(shift=2, mirror=True), CPU)
    rows = torch.arange(20)
    moves = Moves.draw(20, 2, torch.Generator().manual_seed(0), mirror=True)
    moved, _ = batches.moved(rows, moves)
    black = -0.4 / 0.2
    plain, _ = batches.plain(rows)
    for image in range(20):
        framed = torch.full((3, 6 + 4, 10 + 4), black)
        framed[:, 2:8, 2:12] = plain[image]
        down, right = int(moves.down[image]), int(moves.right[image])
        window = framed[:, down : down + 6, right : right + 10]
        expected = window.flip(2) if moves.mirrored[image] else window
        torch.testing.assert_close(moved[image], expected)
    assert 0 < moves.mirrored.sum() < 20 and set(moves.down.tolist()) == {0, 1, 2, 3, 4}


def test_lower_resolution_averages_areas(digits):
    data = _colourful(digits)
    x, _ = Batches(data, Recipe(resolution=3), CPU).plain(torch.arange(5))
    areas = data.images[:5].float().reshape(5, 3, 2, 5, 2, 3).mean((2, 4))
    torch.testing.assert_close(x, ((areas / 255 - 0.4) / 0.2).permute(0, 3, 1, 2))
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_resolution_above_the_images_is_refused(digits):
    with pytest.raises(RecipeError, match="above the 8 pixels of digits"):
        Batches(digits, Recipe(resolution=16), CPU)


def test_digits_are_not_mirrored_unless_the_recipe_says_so(digits):
    assert not Batches(digits, Recipe(), CPU).mirror
    assert Batches(digits, Recipe(mirror=True), CPU).mirror
    assert Batches(dataclasses.replace(digits, mirror=True), Recipe(), CPU).mirror


@pytest.mark.parametrize(("count", "size"), [(1079, 64), (10, 64), (97, 32), (96, 32), (33, 32)])
def test_an_epoch_has_every_image_once_in_even_batches(digits, count, size):
    data = dataclasses.replace(digits, labels=torch.arange(len(digits.labels)))
    batches = Batches(data, Recipe(shift=0), CPU)
    generator = torch.Generator().manual_seed(1)
    sizes, seen = [], []
    for x, y in batches.epoch(torch.arange(count), size, generator):
        assert len(x) == len(y)
        sizes.append(len(y))
        seen += y.tolist()
    assert sorted(seen) == list(range(count)) != seen
    assert len(sizes) == steps_per_epoch(count, size) and max(sizes) - min(sizes) <= 1


def test_skipping_batches_leaves_the_others_as_they_were(digits):
    batches = Batches(digits, Recipe(), CPU)
    whole, rest = (
        list(batches.epoch(digits.train, 64, torch.Generator().manual_seed(2), skip))
        for skip in (0, 5)
    )
    assert len(rest) == len(whole) - 5
    for (x, y), (a, b) in zip(whole[5:], rest, strict=True):
        assert torch.equal(x, a) and torch.equal(y, b)


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """Images of which every pixel's first channel is 50 more than twice its label."""
    folder = tmp_path_factory.mktemp("masked")
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 100, (20, 7, 9), generator=generator, dtype=torch.uint8)
    images = (50 + 2 * masks)[..., None].expand(-1, -1, -1, 3).numpy()
    np.savez(folder / "set.npz", images=images, masks=masks.numpy())
    return load({"source": str(folder / "set.npz"), "masks": "auto"}, cache=folder / "cache")


def test_image_and_mask_move_alike(masked):
    data = dataclasses.replace(masked, mean=torch.zeros(3), std=torch.ones(3))
    batches = Batches(data, Recipe(shift=2, mirror=True), CPU)
    x, y = next(batches.epoch(torch.arange(20), 20, torch.Generator().manual_seed(1)))
    pixels = (255 * x[:, 0]).round()
    outside = pixels == 0
    assert outside.any() and torch.equal(y == 255, outside)
    names = torch.tensor([int(name) for name in data.classes])
    assert torch.equal(pixels[~outside], 50.0 + 2 * names[y[~outside].long()])


def test_zoom_moves_image_and_mask_alike(masked):
    smooth = torch.arange(9).repeat(20, 7, 1).to(torch.uint8)
    data = dataclasses.replace(
        masked,
        images=(20 * smooth[..., None] + 20).expand(-1, -1, -1, 3),
        labels=smooth,
        mean=torch.zeros(3),
        std=torch.ones(3),
    )
    batches = Batches(data, Recipe(shift=1, mirror=True, zoom=0.5), CPU)
    rows = torch.arange(20)
    moves = Moves.draw(20, 1, torch.Generator().manual_seed(2), mirror=True, zoom=0.5)
    assert float(moves.zoom.min()) >= 1 / 1.5 and float(moves.zoom.max()) <= 1.5
    x, y = batches.moved(rows, moves)
    inside = y != 255
    assert inside.any() and not inside.all()
    inner = inside & inside.roll(1, 1) & inside.roll(-1, 1) & inside.roll(1, 2) & inside.roll(-1, 2)
    inner[:, [0, -1]] = inner[:, :, [0, -1]] = False
    away = (255 * x[:, 0] / 20 - 1 - y).abs()[inner]
    assert float(away.max()) <= 0.5 + 1e-4  # labels are the nearest ones of the same places
    plain = dataclasses.replace(moves, zoom=torch.ones(20))
    same = dataclasses.replace(moves, zoom=None)
    for one, other in zip(batches.moved(rows, plain), batches.moved(rows, same), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_masks_of_a_lower_resolution_take_the_nearest_label(masked):
    batches = Batches(masked, Recipe(resolution=3), CPU)
    x, y = batches.plain(torch.arange(5))
    assert x.shape[2:] == y.shape[1:] == (3, 4)
    assert torch.equal(y[:, 1, 1], masked.labels[:5, 3, 3])
    assert torch.equal(batches.labels_of(torch.arange(5)), y)
