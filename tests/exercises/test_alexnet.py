"""The questions of lesson 02: answered right by other people's code, and by no guess, constant or known mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from course_lib import models, profiling
from course_lib.exercises import Exercise, judge
from course_lib.exercises import alexnet as reference
from course_lib.exercises.alexnet import EXERCISES

SEEDS = (0, 1)


def score(exercise: Exercise, answer: Any, seed: int) -> float:
    """The fraction of the exercise's cases that `answer` gets right; an exception is a wrong answer."""
    cases = exercise.draw(seed)
    right = 0
    for case in cases:
        try:
            said = exercise.ask(answer, case)
        except Exception:
            continue
        right += judge(exercise.ask(exercise.reference, case), said, exercise.tolerance).correct
    return right / len(cases)


by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


def test_points_sum_to_twenty():
    assert sum(exercise.points for exercise in EXERCISES) == 20


@by_name
def test_the_reference_answers_every_question(exercise):
    assert [score(exercise, exercise.reference, seed) for seed in SEEDS] == [1, 1]


@by_name
def test_questions_differ_from_seed_to_seed(exercise):
    def first(seed: int) -> dict[str, Tensor]:
        return exercise.ask(exercise.reference, exercise.draw(seed)[0])

    assert not judge(first(1), first(2)).correct


MISTAKES = [
    pytest.param(exercise, mistake.wrong, id=f"{exercise.answer}: {mistake.words[:50]}")
    for exercise in EXERCISES
    for mistake in exercise.mistakes
]


@pytest.mark.parametrize(("exercise", "wrong"), MISTAKES)
def test_no_known_mistake_passes(exercise, wrong):
    # Mistakes about the bias cannot show where there is none, nor counting it always where there is one.
    most = 0.8 if exercise.answer == "layer_cost" else 0
    assert max(score(exercise, wrong, seed) for seed in SEEDS) <= most


@by_name
def test_known_mistakes_that_read_differently_answer_differently(exercise):
    """Else a student would be told the wrong cause."""
    cases = exercise.draw(0)
    said: list[tuple[str, list[Any]]] = []
    for mistake in exercise.mistakes:
        answers = []
        for case in cases:
            try:
                answers.append(exercise.ask(mistake.wrong, case))
            except Exception as error:
                answers.append({f"raised: {type(error).__name__}": torch.empty(0)})
        for words, others in said:
            same = all(judge(a, b).correct for a, b in zip(answers, others, strict=True))
            assert not same or words == mistake.words, (words, mistake.words)
        said.append((mistake.words, answers))


class Identity(nn.Module):
    def __init__(self, channels: Any = ()):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class TorchvisionsShape(reference.FeatureExtractor):
    """Right names and shapes, but silent: what a student gets who writes __init__ alone."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), self.conv5.out_channels, 1, 1)


LAZY: dict[str, list[Callable[..., Any]]] = {
    "alexnet.output_size": [
        lambda input_size, kernel_size, stride=1, padding=0: 55,
        lambda input_size, kernel_size, stride=1, padding=0: input_size,
        lambda input_size, kernel_size, stride=1, padding=0: input_size // stride,
        lambda input_size, kernel_size, stride=1, padding=0: (input_size + 2 * padding - kernel_size) / stride + 1,
    ],
    "alexnet.layer_cost": [
        lambda i, o, kernel_size=1, output_size=1, groups=1, bias=True: (34_944, 105_415_200),
        lambda *arguments, **keywords: (0, 0),
        lambda *arguments, **keywords: None,
    ],
    "alexnet.local_response_norm": [
        lambda x, **keywords: x,
        lambda x, k=2.0, beta=0.75, **keywords: x / k**beta,
        lambda x, **keywords: torch.zeros_like(x),
        lambda x, n=5, k=2.0, alpha=1e-4, beta=0.75: F.local_response_norm(x, n, alpha, beta, k),
    ],
    "alexnet.feature_extractor": [Identity, TorchvisionsShape, nn.Identity],
    "alexnet.top_k_error": [
        lambda logits, labels, k=5: 0.0,
        lambda logits, labels, k=5: 1.0,
        lambda logits, labels, k=5: 0.5,
        lambda logits, labels, k=5: 1 - k / logits.shape[1],
    ],
}


@by_name
def test_constants_identities_and_guesses_score_nothing(exercise):
    for lazy in LAZY[exercise.name]:
        assert max(score(exercise, lazy, seed) for seed in SEEDS) <= 0.1


@given(
    size=st.integers(1, 64), kernel=st.integers(1, 11), stride=st.integers(1, 5), padding=st.integers(0, 5)
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_output_size_is_the_size_of_what_torch_puts_out(size, kernel, stride, padding):
    if size + 2 * padding < kernel:
        return
    out = F.conv2d(torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel, kernel), stride=stride, padding=padding)
    assert reference.output_size(size, kernel, stride, padding) == out.shape[-1]


@given(
    groups=st.sampled_from([1, 2, 4]),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kernel=st.integers(1, 4),
    size=st.integers(1, 6),
    bias=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_layer_cost_is_what_the_profiler_measures(groups, channels, kernel, size, bias):
    i, o = (groups * count for count in channels)
    network = nn.Sequential(nn.Conv2d(i, o, kernel, groups=groups, bias=bias))
    measured = profiling.profile(network, (i, size + kernel - 1, size + kernel - 1))
    assert reference.layer_cost(i, o, kernel, size, groups, bias) == (measured.parameters, measured.multiply_adds)


def test_layer_cost_takes_a_linear_layer_for_a_convolution_as_large_as_its_input():
    assert reference.layer_cost(256, 4096, 6, 1) == (256 * 36 * 4096 + 4096, 256 * 36 * 4096)


@pytest.mark.parametrize("n", [1, 3, 5, 9])
def test_local_response_norm_is_pytorchs_with_alpha_times_the_window(n):
    x = 50 * torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    ours = reference.local_response_norm(x, n, k=1.5, alpha=0.01, beta=0.6)
    torch.testing.assert_close(ours, F.local_response_norm(x, n, alpha=0.01 * n, beta=0.6, k=1.5))


def test_the_feature_extractor_is_the_networks():
    """The one of the exercise and the one of course_lib.models compute the same function at 224 pixels."""
    network = models.build("alexnet", width=0.125)
    names = [f"conv{number}" for number in range(1, 6)]
    extractor = reference.FeatureExtractor([getattr(network.features, name).out_channels for name in names])
    for name in names:
        layer = getattr(network.features, name)
        nn.init.normal_(layer.weight, std=0.1)
        getattr(extractor, name).load_state_dict(layer.state_dict())
    x = 200 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = extractor(x)
        torch.testing.assert_close(out, network.features(x), rtol=1e-3, atol=1e-3)
    assert out.shape[2:] == (6, 6)


@given(k=st.integers(1, 10), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_top_k_error_counts_labels_outranked_by_k_or_more_classes(k, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(17, 10, generator=generator)
    labels = torch.randint(10, (17,), generator=generator)
    better = (logits > logits[torch.arange(17), labels][:, None]).sum(dim=1)
    assert reference.top_k_error(logits, labels, k) == pytest.approx((better >= k).double().mean().item())


def test_top_k_error_never_grows_with_k_and_ends_at_nothing():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(40, 6, generator=generator), torch.randint(6, (40,), generator=generator)
    errors = [reference.top_k_error(logits, labels, k) for k in range(1, 7)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0


def test_the_numbers_that_the_lesson_shows_as_targets_are_right():
    assert [reference.output_size(*layer) for layer in ((224, 11, 4, 2), (55, 3, 2), (27, 5, 1, 2))] == [55, 27, 27]
    assert reference.layer_cost(3, 96, 11, 55) == (34_944, 105_415_200)
    assert reference.layer_cost(96, 256, 5, 27, groups=2) == (307_456, 223_948_800)
    assert reference.layer_cost(256, 4096, 6, 1) == (37_752_832, 37_748_736)
    without_biases = [(3, 96, 11, 55, 1, False), (96, 256, 5, 27, 2, False), (256, 4096, 6, 1, 1, False)]
    assert [reference.layer_cost(*layer)[0] for layer in without_biases] == [34_848, 307_200, 37_748_736]
    assert profiling.count_parameters(reference.FeatureExtractor()) == 2_334_080
    small = reference.FeatureExtractor((8, 16, 24, 24, 16))
    assert profiling.count_parameters(small) == 12_368
    assert small(torch.zeros(2, 3, 96, 96)).shape == (2, 16, 2, 2)
    assert reference.FeatureExtractor()(torch.zeros(1, 3, 224, 224)).shape == (1, 256, 6, 6)
