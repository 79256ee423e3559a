"""Lesson 01's exercises: the references are right by independent means, and every known mistake is told its cause."""

from collections import Counter
from math import exp, inf, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from course_lib.exercises import Exercise, check, datasets

MISTAKES = [(exercise, mistake) for exercise in datasets.EXERCISES for mistake in exercise.mistakes]


def test_points_sum_to_twenty() -> None:
    assert len(datasets.EXERCISES) == 5
    assert sum(exercise.points for exercise in datasets.EXERCISES) == 20


@pytest.mark.parametrize("exercise", datasets.EXERCISES, ids=lambda exercise: exercise.name)
def test_the_reference_earns_all_points(exercise: Exercise) -> None:
    result = check(exercise.name, exercise.reference)
    assert result.points == exercise.points


@pytest.mark.parametrize(
    ("exercise", "mistake"), MISTAKES, ids=[f"{exercise.answer}-{m.wrong.__name__}" for exercise, m in MISTAKES]
)
def test_a_known_mistake_is_caught_and_told_its_cause(exercise: Exercise, mistake: datasets.Mistake) -> None:
    result = check(exercise.name, mistake.wrong)
    assert result.points < exercise.points
    assert mistake.words in result.sentences


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES, ids=[m.wrong.__name__ for _, m in MISTAKES])
def test_a_mistake_shows_whatever_the_seed(exercise: Exercise, mistake: datasets.Mistake) -> None:
    """The grader draws its own inputs: a mistake must never get through by luck of the draw."""
    from course_lib.exercises import judge

    for seed in (1, 2):
        verdicts = [
            judge(exercise.ask(exercise.reference, case), exercise.ask(mistake.wrong, case), exercise.tolerance)
            for case in exercise.draw(seed)
        ]
        assert sum(not verdict.correct for verdict in verdicts) >= 2


@pytest.mark.parametrize("exercise", datasets.EXERCISES, ids=lambda exercise: exercise.name)
def test_a_case_survives_the_way_to_the_sandbox(exercise: Exercise) -> None:
    from course_lib.exercises import judge
    from course_lib.exercises.cases import pack, unpack

    for case in exercise.draw(5):
        again = unpack(*pack(case))
        assert judge(exercise.ask(exercise.reference, case), exercise.ask(exercise.reference, again)).correct


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_imbalance_is_that_of_the_textbook(labels: list[int]) -> None:
    ratio, effective = datasets.imbalance(torch.tensor(labels), 7)
    counts = Counter(labels)
    smallest = min(counts.get(label, 0) for label in range(7))
    assert ratio == (max(counts.values()) / smallest if smallest else inf)
    shares = [count / len(labels) for count in counts.values()]
    assert effective == pytest.approx(exp(-sum(p * log(p) for p in shares)))
    assert 1 - 1e-9 <= effective <= len(counts) + 1e-9


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 2**31))
def test_statistics_do_not_depend_on_how_the_images_are_batched(sizes: list[int], seed: int) -> None:
    images = torch.randint(0, 256, (sum(sizes), 3, 4, 5), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    mean, deviation = datasets.channel_statistics(iter(images.split(sizes)))
    pixels = images.double().transpose(0, 1).flatten(1) / 255
    assert torch.allclose(mean, pixels.mean(1))
    assert torch.allclose(deviation, pixels.std(1, unbiased=False))


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 4))
def test_crop_and_flip_equals_a_loop_over_images(seed: int, padding: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (5, 3, 6, 7), generator=generator).to(torch.uint8)
    offsets = torch.randint(0, 2 * padding + 1, (5, 2), generator=generator)
    mirrored = torch.rand(5, generator=generator) < 0.5

    def one(image: Tensor, row: int, column: int, mirror: bool) -> Tensor:
        canvas = torch.zeros(3, 6 + 2 * padding, 7 + 2 * padding, dtype=torch.uint8)
        canvas[:, padding : padding + 6, padding : padding + 7] = image
        window = canvas[:, row : row + 6, column : column + 7]
        return window.flip(2) if mirror else window

    expected = [
        one(image, *offset, bool(m)) for image, offset, m in zip(images, offsets.tolist(), mirrored, strict=True)
    ]
    assert torch.equal(datasets.crop_and_flip(images, offsets, mirrored, padding), torch.stack(expected))


def test_crop_and_flip_agrees_with_the_library() -> None:
    from course_lib.data.batches import flip, random_crop

    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 3, 8, 8, generator=generator)
    offsets, mirrored = torch.randint(0, 9, (6, 2), generator=generator), torch.rand(6, generator=generator) < 0.5
    expected = flip(random_crop(images, offsets, padding=4), mirrored)
    assert torch.equal(datasets.crop_and_flip(images, offsets, mirrored, 4), expected)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_balanced_weights_draw_every_class_alike(labels: list[int]) -> None:
    weights = datasets.balanced_weights(torch.tensor(labels), 6)
    assert weights.sum().item() == pytest.approx(1)
    by_class = [weights[torch.tensor(labels) == label].sum().item() for label in sorted(set(labels))]
    assert by_class == pytest.approx([1 / len(by_class)] * len(by_class))


def test_a_training_image_is_its_own_nearest_neighbour() -> None:
    images = torch.randint(0, 256, (20, 3, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    labels = torch.arange(20)
    assert torch.equal(datasets.nearest_neighbour(images, labels, images), labels)
