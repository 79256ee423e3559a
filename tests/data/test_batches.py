"""Batches: every image once, the right pixels in the right place, and the same ones on any number of processes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from course_lib.data.batches import Augmentation, Batches, batches, cutout, flip, random_crop
from course_lib.data.images import ImageSet, Normalisation
from course_lib.errors import CourseError

PLAIN = Normalisation((0.0,) * 3, (1.0,) * 3)


def pictures(count: int, height: int = 6, width: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(1, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def image_set(count: int) -> ImageSet:
    """Labels number the images, so a batch tells which it holds."""
    return ImageSet(pictures(count), torch.arange(count), tuple(map(str, range(count))), "test")


def everything(epoch: Batches) -> tuple[Tensor, Tensor]:
    images, labels = zip(*epoch, strict=True)
    return torch.cat(images), torch.cat(labels)


@given(st.data(), st.integers(1, 4), st.integers(0, 4))
def test_a_crop_is_the_slice_of_the_padded_image_at_its_offset(data: st.DataObject, count: int, padding: int) -> None:
    images = pictures(count)
    height = data.draw(st.integers(1, 6 + 2 * padding))
    width = data.draw(st.integers(1, 5 + 2 * padding))
    rows = st.integers(0, 6 + 2 * padding - height)
    columns = st.integers(0, 5 + 2 * padding - width)
    offsets = data.draw(st.lists(st.tuples(rows, columns), min_size=count, max_size=count))
    cropped = random_crop(images, torch.tensor(offsets), (height, width), padding=padding)
    padded = F.pad(images, [padding] * 4)
    for got, image, (row, column) in zip(cropped, padded, offsets, strict=True):
        assert torch.equal(got, image[:, row : row + height, column : column + width])


def test_a_crop_that_would_stick_out_is_refused_not_wrapped_around() -> None:
    for offset, size in (((0, 6), 5), ((-1, 0), 5), ((0, 0), 9)):
        with pytest.raises(CourseError, match="sticks out"):
            random_crop(pictures(1), torch.tensor([offset]), size, padding=1)


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_flipping_twice_changes_nothing_and_once_mirrors_the_marked(marked: list[bool]) -> None:
    images, mask = pictures(len(marked)), torch.tensor(marked)
    once = flip(images, mask)
    assert torch.equal(flip(once, mask), images)
    for got, image, mirrored in zip(once, images, marked, strict=True):
        assert torch.equal(got, image.flip(-1) if mirrored else image)


@given(st.integers(0, 5), st.integers(0, 4), st.integers(0, 9))
def test_cutout_zeroes_the_square_and_nothing_else(row: int, column: int, size: int) -> None:
    images = pictures(1)
    expected = images.clone()
    top, left = max(row - size // 2, 0), max(column - size // 2, 0)
    expected[:, :, top : max(row - size // 2 + size, 0), left : max(column - size // 2 + size, 0)] = 0
    assert torch.equal(cutout(images, torch.tensor([[row, column]]), size), expected)


@given(st.integers(1, 40), st.integers(1, 15), st.integers(0, 3))
def test_every_image_comes_once_in_a_shuffled_epoch(count: int, batch_size: int, seed: int) -> None:
    epoch = batches(image_set(count), batch_size, shuffle=True, seed=seed, augmentation=Augmentation())
    _, labels = everything(epoch)
    assert sorted(labels.tolist()) == list(range(count))
    assert len(list(epoch)) == len(epoch) == len(epoch.sizes())
    assert [len(y) for _, y in epoch] == epoch.sizes()


@given(st.integers(1, 40), st.integers(1, 15))
def test_drop_last_leaves_only_full_batches(count: int, batch_size: int) -> None:
    epoch = batches(image_set(count), batch_size, drop_last=True)
    assert [len(y) for _, y in epoch] == [batch_size] * (count // batch_size)


@settings(deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from([None, Augmentation(2), Augmentation(0, False, 3)]),
)
def test_the_parts_of_all_processes_put_together_are_the_batch_of_one(
    count: int, batch_size: int, world_size: int, weighted: bool, augmentation: Augmentation | None
) -> None:
    images = image_set(count)
    options: dict[str, Any] = {"augmentation": augmentation, "shuffle": True, "epoch": 2}
    options["weights"] = torch.arange(count) + 1.0 if weighted else None
    alone = list(batches(images, batch_size, **options))
    parts = [list(batches(images, batch_size, rank=r, world_size=world_size, **options)) for r in range(world_size)]
    assert {len(part) for part in parts} == {len(alone)}
    for (x, y), *shares in zip(alone, *parts, strict=True):
        assert torch.equal(torch.cat([share for share, _ in shares]), x)
        assert torch.equal(torch.cat([labels for _, labels in shares]), y)
        sizes = [len(labels) for _, labels in shares]
        assert max(sizes) - min(sizes) <= 1


def test_the_same_seed_and_epoch_give_the_same_batches_and_others_do_not() -> None:
    def epoch(**options: int) -> Tensor:
        return everything(batches(image_set(50), 16, shuffle=True, augmentation=Augmentation(2), **options))[0]

    assert torch.equal(epoch(seed=1, epoch=3), epoch(seed=1, epoch=3))
    for other in ({"seed": 1, "epoch": 4}, {"seed": 2, "epoch": 3}, {"seed": 3, "epoch": 1}):
        assert not torch.equal(epoch(seed=1, epoch=3), epoch(**other))


def test_the_random_numbers_of_the_program_are_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    everything(batches(image_set(10), 4, shuffle=True, augmentation=Augmentation(cutout=2)))
    assert torch.equal(torch.rand(3), expected)


def test_without_augmentation_a_batch_is_the_images_normalised_in_order() -> None:
    images = image_set(7)
    x, y = everything(batches(images, 3))
    assert x.dtype == torch.float32
    assert torch.equal(y, images.labels)
    torch.testing.assert_close(x, images.normalisation.apply(images.images))


def test_augmented_images_are_windows_of_the_padded_image_half_of_them_mirrored() -> None:
    images, padding = image_set(200), 2
    x, _ = everything(batches(images, 64, augmentation=Augmentation(padding), normalisation=PLAIN))
    padded = F.pad(images.images, [padding] * 4) / 255
    # All windows of each image, then all of its mirror image: (N, 3, 6, 5, places).
    windows = padded.unfold(2, 6, 1).unfold(3, 5, 1).flatten(2, 3).permute(0, 1, 3, 4, 2)
    candidates = torch.cat([windows, windows.flip(3)], -1)
    same = ((candidates - x[..., None]).abs() < 1e-6).flatten(1, 3).all(1)
    assert same.any(1).all()
    place = same.int().argmax(1)
    places = windows.shape[-1]
    assert 70 < (place >= places).sum() < 130
    assert len((place % places).unique()) == places


def test_cutout_is_filled_with_the_mean_as_in_the_paper() -> None:
    x, _ = everything(batches(image_set(20), 8, augmentation=Augmentation(0, False, 2)))
    holes = (x == 0).all(1).flatten(1).sum(1)
    assert ((holes >= 1) & (holes <= 4)).all()


def test_weights_draw_each_image_as_often_as_they_say() -> None:
    images = image_set(4)[torch.arange(4000) % 4]
    weights = torch.tensor([0.0, 1.0, 1.0, 2.0])[images.labels]
    _, labels = everything(batches(images, 512, weights=weights))
    share = torch.bincount(labels, minlength=4) / 4000
    torch.testing.assert_close(share, torch.tensor([0, 0.25, 0.25, 0.5]), atol=0.04, rtol=0)


def test_channels_last_changes_the_order_in_memory_and_no_value() -> None:
    options: dict[str, Any] = {"augmentation": Augmentation(), "shuffle": True}
    (plain, _), (last, _) = (next(iter(batches(image_set(9), 9, channels_last=c, **options))) for c in (False, True))
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert plain.is_contiguous()
    assert torch.equal(plain, last)


def test_a_loop_that_changes_its_batch_does_not_change_the_data() -> None:
    images = image_set(5)
    before = images.images.clone()
    for x, y in batches(images, 5):
        x.zero_()
        y.zero_()
    assert torch.equal(images.images, before)
    assert torch.equal(images.labels, torch.arange(5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "at least 1"),
        ({"rank": 2, "world_size": 2}, "ranks count from 0"),
        ({"weights": torch.ones(3)}, "each of the 5"),
        ({"weights": torch.zeros(5)}, "not all 0"),
        ({"weights": torch.tensor([1.0, 1, 1, 1, float("nan")])}, "finite"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CourseError, match=words):
        batches(image_set(5), **({"batch_size": 2} | options))
    with pytest.raises(CourseError, match="pixels"):
        Augmentation(padding=-1)
