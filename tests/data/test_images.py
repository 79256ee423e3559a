"""What lessons rely on in an image set: honest counts, even subsets, exact normalisation, a notice nobody can miss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.images import ImageSet, Normalisation
from course_lib.errors import CourseError

CLASSES = ("cat", "dog", "frog")


def image_set(labels: list[int] | torch.Tensor, size: int = 4, **changes: object) -> ImageSet:
    labels = torch.as_tensor(labels, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (len(labels), 3, size, size), dtype=torch.uint8, generator=generator)
    return replace(ImageSet(images, labels, CLASSES, "test"), **changes)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(1, 80), st.integers(0, 5))
def test_take_is_as_even_as_the_classes_allow(labels: list[int], count: int, seed: int) -> None:
    images = image_set(labels)
    taken = images.take(count, seed)
    assert len(taken) == min(count, len(images))
    got, there = taken.class_counts(), images.class_counts()
    # A class may lag behind the fullest one by more than 1 only if none of it is left.
    assert ((got >= got.max() - 1) | (got == there)).all()


def test_take_never_takes_an_image_twice_and_keeps_its_label() -> None:
    images = image_set(torch.arange(60) % 3)
    numbered = replace(images, images=torch.arange(60, dtype=torch.uint8).view(-1, 1, 1, 1).expand(60, 3, 4, 4))
    taken = numbered.take(37)
    numbers = taken.images[:, 0, 0, 0].long()
    assert len(numbers.unique()) == 37
    assert torch.equal(taken.labels, numbers % 3)


def test_a_smaller_take_is_the_beginning_of_a_larger_one_and_the_seed_decides() -> None:
    images = image_set(torch.arange(90) % 3)
    assert torch.equal(images.take(20).images, images.take(50).images[:20])
    assert not torch.equal(images.take(20, seed=1).images, images.take(20, seed=2).images)


def test_take_of_none_is_everything_and_of_nothing_is_an_error() -> None:
    images = image_set([0, 1, 2])
    assert len(images.take(None)) == 3
    with pytest.raises(CourseError, match="no image at all"):
        images.take(0)


def test_indexing_by_slice_mask_and_indices_keeps_images_and_labels_together() -> None:
    images = image_set([0, 1, 2, 1])
    for index in (slice(1, 4, 2), torch.tensor([False, True, False, True]), torch.tensor([1, 3]), [1, 3]):
        assert torch.equal(images[index].labels, torch.tensor([1, 1]))
        assert torch.equal(images[index].images, images.images[[1, 3]])
    picture, label = images[2]
    assert label == 2
    assert torch.equal(picture, images.images[2])


def test_the_normalisation_is_the_mean_and_standard_deviation_of_the_pixels() -> None:
    images = image_set(torch.zeros(50, dtype=torch.int64), size=9)
    pixels = images.images.double() / 255
    expected = torch.stack([pixels.mean((0, 2, 3)), pixels.std((0, 2, 3), correction=0)])
    got = torch.tensor([images.normalisation.mean, images.normalisation.std], dtype=torch.float64)
    torch.testing.assert_close(got, expected)


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3).map(tuple),
    st.lists(st.floats(0.05, 1), min_size=3, max_size=3).map(tuple),
)
def test_undo_gives_back_what_was_normalised(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    normalisation = Normalisation(mean, std)
    images = image_set([0, 1]).images
    torch.testing.assert_close(normalisation.undo(normalisation.apply(images)), images / 255, atol=2e-6, rtol=0)


def test_bytes_and_floats_are_normalised_alike_and_left_as_they_were() -> None:
    images = image_set([0, 1])
    before = images.images.clone()
    as_bytes, as_floats = (images.normalisation.apply(x) for x in (images.images, images.images / 255))
    torch.testing.assert_close(as_bytes, as_floats)
    assert torch.equal(images.images, before)
    flat = images.normalisation.apply(images.images).transpose(0, 1).flatten(1)
    torch.testing.assert_close(flat.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(flat.std(1, correction=0), torch.ones(3))


def test_a_channel_that_never_varies_is_centred_not_divided_by_zero() -> None:
    black = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert torch.equal(Normalisation.of(black).apply(black), torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": torch.zeros(2, 3, 4, 4)}, "uint8"),
        ({"images": torch.zeros(2, 4, 4, 3, dtype=torch.uint8)}, r"\(2, 4, 4, 3\)"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "2 images"),
        ({"labels": torch.zeros(2)}, "int64"),
        ({"labels": torch.tensor([0, 3])}, "between 0 and 2"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused_in_words(changes: dict, words: str) -> None:
    with pytest.raises(CourseError, match=words):
        replace(image_set([0, 1]), **changes)


def test_it_shows_its_counts_size_and_source() -> None:
    images = image_set([0, 0, 1], source="a <source>")
    shown = images._repr_html_()
    for expected in ("a &lt;source&gt;", "3 images", "4x4", "<td>2</td>", "frog"):
        assert expected in shown
    assert "a <source>: 3 images of 4x4 in 3 classes" in repr(images)
    assert "not photographs" not in shown + repr(images)


def test_the_miniature_says_in_words_that_it_is_no_photograph() -> None:
    images = image_set([0, 1, 2], is_miniature=True)
    for shown in (images._repr_html_(), repr(images), images[:1]._repr_html_(), images.take(2)._repr_html_()):
        assert "These are not photographs" in shown
    # It must read in a dark theme too: no colour but the page's own.
    assert "background" not in images._repr_html_()
