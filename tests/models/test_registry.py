"""Every network is found by its name, and what is not found is answered in words."""

from __future__ import annotations

import pytest
import torch

from course_lib import models
from course_lib.errors import CourseError
from course_lib.evaluation import scores


def test_names_are_the_factories_and_each_is_public() -> None:
    assert {"alexnet", "alexnet_owt", "alexnet_four_layer"} <= set(models.names())
    for name in models.names():
        assert models.card(name).factory is getattr(models, name)
        assert name in models.__all__


@pytest.mark.parametrize("name", models.names())
def test_every_network_is_built_as_its_factory_builds_it(name: str) -> None:
    def shapes(network: torch.nn.Module) -> dict[str, torch.Size]:
        return {key: value.shape for key, value in network.state_dict().items()}

    with torch.device("meta"):
        assert shapes(models.build(name)) == shapes(models.card(name).factory())
        small = models.build(name, num_classes=10, image_size=32, width=0.25)
        assert scores(small(torch.empty(2, 3, 32, 32))).shape == (2, 10)
        assert small.training


@pytest.mark.parametrize("name", models.names())
def test_every_network_says_where_it_was_published(name: str) -> None:
    card = models.card(name)
    assert str(card.paper.year) in str(card.paper)
    assert card.paper.url.startswith("https://")
    assert card.depth > 0


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(CourseError, match=r"'AlexNet_ow'.*alexnet_owt"):
        models.build("AlexNet_ow")
    with pytest.raises(CourseError, match=r"'zzz'.*There are: alexnet"):
        models.build("zzz")


def test_an_unknown_option_is_answered_with_its_name() -> None:
    with pytest.raises(CourseError, match=r"alexnet cannot be built so.*activaton"):
        models.build("alexnet", image_size=32, width=0.05, activaton="tanh")
