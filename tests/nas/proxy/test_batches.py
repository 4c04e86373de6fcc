"""What becomes of images on their way to the network, pixel by pixel."""

import dataclasses

import pytest
import torch

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
