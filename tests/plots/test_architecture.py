"""The drawing of a network shows what the profile measured, and claims nothing that was not measured."""

from __future__ import annotations

import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from course_lib import models, plots
from course_lib.plots.architecture import TALLEST_BAR
from course_lib.plots.blocks import blocks_of, claims_of
from course_lib.profiling import Profile, profile


@pytest.fixture(scope="module")
def small() -> nn.Module:
    return models.build("alexnet", num_classes=10, image_size=32, width=0.25)


@pytest.fixture(scope="module")
def costs(small: nn.Module) -> Profile:
    return profile(small, 32)


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def bars(ax: Axes) -> dict[str, list[float]]:
    """Heights of the bars below each layer: parameters, multiply-adds."""
    heights: dict[str, list[float]] = {}
    for patch in ax.patches:
        if isinstance(patch, Rectangle) and patch.get_gid():
            heights.setdefault(str(patch.get_gid()).removeprefix("share of "), []).append(patch.get_height())
    return heights


@pytest.mark.parametrize(("row", "quantity"), [(0, "parameters"), (1, "multiply_adds")])
def test_bars_are_as_high_as_the_shares_of_the_profile(
    small: nn.Module, costs: Profile, row: int, quantity: str
) -> None:
    drawn = {name: heights[row] for name, heights in bars(plots.architecture(small, 32)).items()}
    shares = {name: share for name, share in costs.shares(quantity).items() if share > 0}
    assert set(drawn) == set(shares)
    highest = max(shares.values())
    for name, share in shares.items():
        assert drawn[name] == pytest.approx(TALLEST_BAR * share / highest)


def test_the_brackets_say_what_the_profile_says(small: nn.Module, costs: Profile) -> None:
    computation = sum(share for name, share in costs.shares("multiply_adds").items() if "conv" in name)
    parameters = sum(share for name, share in costs.shares("parameters").items() if "fc" in name)
    shown = texts(plots.architecture(small, 32))
    assert f"most of the computation: {100 * computation:.0f} %" in shown
    assert f"most of the parameters: {100 * parameters:.0f} %" in shown


def test_claims_follow_the_network_not_the_kind_of_layer() -> None:
    wide = nn.Sequential(nn.Conv2d(3, 4, 1, stride=8), nn.Flatten(), nn.Linear(64, 4000))
    (linear,) = claims_of(blocks_of(profile(wide, 32), wide))
    assert linear.kind == "linear"
    assert [what for what, _ in linear.most_of] == ["computation", "parameters"]


def test_nothing_is_claimed_of_a_network_of_convolutions_only() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    assert claims_of(blocks_of(profile(network, 16), network)) == ()


def test_shares_of_all_blocks_sum_to_one_with_layers_that_are_not_drawn() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4))
    blocks = blocks_of(profile(network, 3), network)
    assert sum(block.parameters for block in blocks) == pytest.approx(1)
    assert sum(block.multiply_adds for block in blocks) == pytest.approx(1)


def test_alexnet_has_eight_layers_in_the_order_of_the_slide(small: nn.Module, costs: Profile) -> None:
    kinds = [block.kind for block in blocks_of(costs, small)]
    assert kinds == [
        "input", "conv", "norm", "pool", "conv", "norm", "pool", "conv", "conv", "conv", "pool",
        "linear", "dropout", "linear", "dropout", "linear",
    ]  # fmt: skip


def test_convolutions_in_two_groups_stand_in_two_towers(small: nn.Module) -> None:
    grouped = [patch for patch in plots.architecture(small, 32).patches if not patch.get_gid()]
    one = models.build("alexnet_owt", num_classes=10, image_size=32, width=0.25)
    single = [patch for patch in plots.architecture(one, 32).patches if not patch.get_gid()]
    # The input; twice the five convolutions, two normalisations, three poolings; three linear layers, two dropouts.
    assert len(grouped) == 1 + 2 * 10 + 5
    assert len(single) == 1 + 8 + 5


def test_kernels_strides_and_channels_are_written(small: nn.Module) -> None:
    shown = "\n".join(texts(plots.architecture(small, 32)))
    for text in ("5×5", "3×3", "2×12", "max pool\n3×3 /2", "linear\n1024", "dropout", "LRN"):
        assert text in shown


def test_a_profile_alone_can_be_drawn(costs: Profile) -> None:
    ax = plots.architecture(costs)
    assert set(bars(ax)) == {name for name, share in costs.shares().items() if share > 0}
    assert "conv\n24\n32²" in texts(ax)


class Branches(nn.Module):
    """Two branches side by side, put together: 4 + 6 channels."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(in_channels, 4, 1), nn.Conv2d(in_channels, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.left(x), self.right(x)], 1)


def test_a_deep_network_is_drawn_by_its_parts_with_the_channels_they_put_out() -> None:
    parts = {f"part{index}": Branches(3 if index == 0 else 10) for index in range(12)}
    network = nn.Sequential()
    for name, part in parts.items():
        network.add_module(name, part)
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", nn.Flatten())
    network.add_module("fc", nn.Linear(10, 5))
    blocks = blocks_of(profile(network, 8), network)
    stages = [block for block in blocks if block.kind == "conv"]
    assert [(block.name, block.layers, block.channels) for block in stages] == [(name, 2, 10) for name in parts]
    assert sum(block.parameters for block in blocks) == pytest.approx(1)


def test_a_deep_network_without_names_is_drawn_by_size() -> None:
    layers = [nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1, stride=2 if i in (10, 20) else 1) for i in range(24)]
    network = nn.Sequential(*layers)
    features = nn.ModuleDict({"features": network})["features"]
    wrapped = nn.Sequential()
    wrapped.add_module("features", features)
    blocks = blocks_of(profile(wrapped, 16), wrapped)
    assert [(block.layers, block.size) for block in blocks[1:]] == [(10, (16, 16)), (10, (8, 8)), (4, (4, 4))]


def test_layers_that_run_in_training_only_are_reported_as_not_drawn() -> None:
    class WithHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(8, 27, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)

    # 216 parameters each.
    assert "50 % of the parameters" in plots.architecture(WithHead(), 8).get_xlabel()
