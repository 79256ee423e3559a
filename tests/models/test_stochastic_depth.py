"""Stochastic depth: what is left out, how it is scaled, in both conventions, on every residual network."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models.residual import ResidualBlock
from course_lib.models.stochastic_depth import (
    Survival,
    expected_depth,
    linear_decay,
    residual_blocks,
    stochastic_depth,
    survival_rates,
)

RESIDUAL = ("resnet18", "resnet50", "resnet20", "preresnet164", "resnext50_32x4d", "resnext29_32x4d")
SMALL = {"num_classes": 10, "image_size": 32, "width": 0.25}


class Doubling(ResidualBlock):
    """y = x + 2x, so that what was kept can be read off."""

    def forward(self, x: Tensor) -> Tensor:
        return self.add(x, lambda x: 2 * x, x)


def doubling(rate: float, convention: str) -> Doubling:
    return stochastic_depth(Doubling(), [rate], convention=convention)


# ---- Schedule ------------------------------------------------------------------------------------------------------


def test_rates_of_110_layers_decay_linearly_to_one_half_and_40_of_54_blocks_remain() -> None:
    rates = survival_rates(models.resnet110_stochastic_depth())
    assert len(rates) == 54
    assert rates[0] == pytest.approx(1 - 1 / 108)
    assert rates[-1] == 0.5
    assert expected_depth(rates) == pytest.approx((3 * 54 - 1) / 4) == 40.25


@given(st.integers(1, 300), st.floats(0, 1))
def test_linear_decay_falls_in_equal_steps_to_its_last_rate(blocks: int, last: float) -> None:
    rates = (1.0, *linear_decay(blocks, last))
    assert rates[-1] == pytest.approx(last)
    steps = [before - after for before, after in itertools.pairwise(rates)]
    assert steps == pytest.approx([(1 - last) / blocks] * blocks)


def test_expected_depth_is_what_training_keeps_on_average() -> None:
    network, kept = stochastic_depth(models.resnet20(width=0.25)), []
    for block in residual_blocks(network):
        block.conv1.register_forward_hook(lambda *_: kept.append(1))
    torch.manual_seed(0)
    steps = 200
    with torch.no_grad():
        for _ in range(steps):
            network(torch.zeros(2, 3, 8, 8))
    assert len(kept) / steps == pytest.approx(expected_depth(survival_rates(network)), abs=0.25)


# ---- The paper's convention ----------------------------------------------------------------------------------------


def test_the_paper_drops_for_the_whole_batch_and_does_not_rescale_in_training() -> None:
    block, x = doubling(0.7, "paper").train(), torch.ones(5, 3, 2, 2)
    torch.manual_seed(0)
    outputs = [block(x) for _ in range(400)]
    assert all(torch.equal(y, x) or torch.equal(y, 3 * x) for y in outputs)
    assert sum(torch.equal(y, 3 * x) for y in outputs) / 400 == pytest.approx(0.7, abs=0.07)


def test_the_paper_multiplies_by_the_survival_rate_in_testing() -> None:
    x = torch.ones(5, 3, 2, 2)
    torch.testing.assert_close(doubling(0.7, "paper").eval()(x), x + 0.7 * 2 * x)


def test_a_dropped_block_is_not_computed_and_neither_learns_nor_sees_statistics() -> None:
    network = stochastic_depth(models.resnet20(width=0.5), [0.0] + [1.0] * 8).train()
    dropped, kept = network.layer1[0], network.layer1[1]
    network(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(p.grad is None for p in dropped.parameters())
    assert all(p.grad is not None for p in kept.parameters())
    assert (dropped.bn1.num_batches_tracked, kept.bn1.num_batches_tracked) == (0, 1)


def test_a_rate_of_0_deletes_a_block_in_testing() -> None:
    x = torch.randn(2, 3, 32, 32)
    network = stochastic_depth(models.resnet20(), [1, 0, *[1] * 7]).eval()
    without = copy.deepcopy(network)
    del without.layer1[1]
    torch.testing.assert_close(network(x), without(x))


def test_a_compiled_step_drops_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced, the choice is a multiplication: outputs are those of the one or the other case."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    block, x = doubling(0.7, "paper").train(), torch.ones(5, 3, 2, 2)
    torch.manual_seed(0)
    outputs = [block(x) for _ in range(400)]
    assert all(torch.equal(y, x) or torch.equal(y, 3 * x) for y in outputs)
    assert sum(torch.equal(y, 3 * x) for y in outputs) / 400 == pytest.approx(0.7, abs=0.07)


# ---- torchvision's convention --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.7])
def test_torchvisions_convention_is_torchvisions_row_mode(rate: float) -> None:
    block, theirs = doubling(rate, "torchvision").train(), StochasticDepth(1 - rate, "row").train()
    x = torch.randn(64, 3, 2, 2, dtype=torch.double)
    torch.manual_seed(0)
    expected = x + theirs(2 * x)
    torch.manual_seed(0)
    torch.testing.assert_close(block(x), expected)
    torch.testing.assert_close(block.eval()(x), x + theirs.eval()(2 * x))
    torch.testing.assert_close(block(x), 3 * x)


# ---- Both ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["paper", "torchvision"])
@pytest.mark.parametrize("rate", [0.3, 0.8])
def test_training_gives_on_average_what_testing_computes(convention: str, rate: float) -> None:
    block, x = doubling(rate, convention), torch.ones(8, 1)
    torch.manual_seed(0)
    average = torch.stack([block.train()(x) for _ in range(3000)]).mean(0)
    torch.testing.assert_close(average, block.eval()(x), rtol=0, atol=0.25)
    assert average.mean().item() == pytest.approx(block.eval()(x).mean().item(), abs=0.1)


def test_the_conventions_agree_once_the_papers_residual_is_divided_by_its_rate() -> None:
    x, rate = torch.randn(4, 3), 0.6
    paper = Survival(rate).add(x, lambda x: 2 * x / rate, x, training=False)
    rows = Survival(rate, "torchvision").add(x, lambda x: 2 * x, x, training=False)
    torch.testing.assert_close(paper, rows)


TRAPS: dict[str, Callable[[Survival, Tensor, Tensor, bool], Tensor]] = {
    "rescaled in training": lambda s, x, r, training: x + r / s.rate * (torch.rand(()) < s.rate) if training else x + r,
    "not scaled in testing": lambda s, x, r, training: x + r * (torch.rand(()) < s.rate) if training else x + r,
    "scaled in training too": lambda s, x, r, training: x + s.rate * r,
    "dropped per image": lambda s, x, r, training: x + r * (torch.rand(len(x), 1, 1, 1) < s.rate),
    "drop rate for survival rate": lambda s, x, r, training: x + r if torch.rand(()) > s.rate else x,
    "shortcut dropped too": lambda s, x, r, training: (
        (x + r) * (torch.rand(()) < s.rate) if training else x + s.rate * r
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_the_papers_tests_see_each_trap(trap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sprung = TRAPS[trap]
    monkeypatch.setattr(Survival, "add", lambda self, shortcut, f, x, training: sprung(self, shortcut, f(x), training))
    with pytest.raises(AssertionError):
        the_papers_tests()


def the_papers_tests() -> None:
    test_the_paper_drops_for_the_whole_batch_and_does_not_rescale_in_training()
    test_the_paper_multiplies_by_the_survival_rate_in_testing()


@pytest.mark.parametrize("name", RESIDUAL)
def test_any_residual_network_takes_it_and_keeps_its_parameters(name: str) -> None:
    network = models.build(name, **SMALL)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    assert stochastic_depth(network) is network
    after = network.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert survival_rates(network)[-1] == 0.5
    assert str(residual_blocks(network)[-1].survival) in repr(network)


@pytest.mark.parametrize("name", RESIDUAL)
@pytest.mark.parametrize("convention", ["paper", "torchvision"])
def test_every_kind_of_block_obeys_it(name: str, convention: str) -> None:
    """In testing: the paper's rates change the logits, torchvision's do not; in training both change them."""
    x = torch.randn(2, 3, 32, 32, dtype=torch.double)
    network = models.build(name, **SMALL).double()
    plain = copy.deepcopy(network)
    stochastic_depth(network, convention=convention)
    with torch.no_grad():
        assert torch.allclose(plain.eval()(x), network.eval()(x)) == (convention == "torchvision")
        torch.manual_seed(0)
        assert not torch.allclose(plain.train()(x), network.train()(x))
        stochastic_depth(network, 1.0)
        assert torch.equal(copy.deepcopy(plain).train()(x), copy.deepcopy(network).train()(x))


def test_a_block_whose_shape_changes_falls_back_on_its_shortcut() -> None:
    network = stochastic_depth(models.resnet20(), [0.0] * 9).train()
    out = network.layer2[0](x := torch.rand(2, 16, 8, 8))
    torch.testing.assert_close(out[:, :16], x[:, :, ::2, ::2])
    assert not out[:, 16:].any()


def test_blocks_without_a_sum_are_left_alone() -> None:
    block = Doubling()
    block.has_shortcut = False
    assert survival_rates(stochastic_depth(nn.Sequential(block, Doubling()))) == (0.5,)


def test_the_same_seed_drops_the_same_blocks() -> None:
    network, x = models.resnet110_stochastic_depth(width=0.5), torch.randn(2, 3, 8, 8)

    def outputs() -> list[Tensor]:
        torch.manual_seed(3)
        with torch.no_grad():
            return [copy.deepcopy(network)(x) for _ in range(3)]

    first, second = outputs(), outputs()
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("convention", ["paper", "torchvision"])
def test_exports(training: bool, convention: str) -> None:
    network = stochastic_depth(models.resnet20(width=0.25), convention=convention).train(training)
    x = torch.randn(2, 3, 32, 32)
    exported = torch.export.export(network, (x,)).module()
    if not training:
        torch.testing.assert_close(exported(x), network(x))


def test_factory_passes_its_options_on() -> None:
    network = models.build(
        "resnet110_stochastic_depth", num_classes=7, survival=0.8, convention="torchvision", shortcut="B", width=0.5
    )
    assert survival_rates(network)[-1] == pytest.approx(0.8)
    assert residual_blocks(network)[-1].survival.convention == "torchvision"
    assert network.fc.out_features == 7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"survival": 1.5}, "no probability"),
        ({"survival": [0.5, 0.5]}, "2 survival rates for 9 residual blocks"),
        ({"convention": "row"}, "paper, torchvision"),
    ],
)
def test_a_wrong_choice_is_answered_in_words_and_changes_nothing(options: dict, words: str) -> None:
    network = models.resnet20()
    with pytest.raises(CourseError, match=words):
        stochastic_depth(network, **options)
    assert set(survival_rates(network)) == {1.0}


def test_a_network_without_shortcuts_is_refused() -> None:
    for network in (models.plain20(), nn.Sequential(nn.Linear(2, 2))):
        with pytest.raises(CourseError, match="no residual blocks"):
            stochastic_depth(network)
