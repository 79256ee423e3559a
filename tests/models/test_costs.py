"""Profiling is right on every network of the course, layer by layer, and what the slides say of costs is so."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from course_lib import models
from course_lib.profiling import Layer, Profile, count_parameters, profile


def on_paper(name: str, **options: object) -> nn.Module:
    """A network without numbers in it: quick to build at full size."""
    with torch.device("meta"):
        return models.build(name, **options)


def by_hand(network: nn.Module, layer: Layer) -> int:
    """Multiply-adds of a layer for one image, from its filters and the shape of its output."""
    module = dict(network.named_modules()).get(layer.name)
    if not layer.output_shape:
        return 0
    if isinstance(module, nn.Conv2d):
        return math.prod(module.kernel_size) * module.in_channels // module.groups * math.prod(layer.output_shape)
    if isinstance(module, nn.Linear):
        return module.in_features * math.prod(layer.output_shape)
    return 0


@pytest.mark.parametrize("name", models.names())
def test_profile_agrees_with_pytorchs_counter_and_with_each_layers_filters(name: str) -> None:
    network = on_paper(name)
    image_size = models.card(name).image_size
    found = profile(network, image_size)
    (counted,) = models.table(name)
    assert found.multiply_adds == counted.multiply_adds
    assert found.parameters == count_parameters(network)
    assert sum(layer.parameters for layer in found.layers if layer.output_shape) == counted.parameters
    modules = dict(network.named_modules())
    known = {layer.name: layer for layer in found.layers if isinstance(modules.get(layer.name), nn.Conv2d | nn.Linear)}
    wrong = [name for name, layer in known.items() if layer.multiply_adds != by_hand(network, layer)]
    assert not wrong
    assert sum(layer.multiply_adds for layer in known.values()) == found.multiply_adds


@pytest.mark.parametrize("name", models.names())
def test_stages_shares_sum_to_one_in_every_quantity(name: str) -> None:
    stages = profile(on_paper(name, num_classes=10, image_size=32, width=0.25), 32).stages
    for quantity in ("parameters", "multiply_adds", "activations"):
        assert sum(stages.shares(quantity).values()) == pytest.approx(1)


def share(found: Profile, kind: str, quantity: str) -> float:
    shares = found.shares(quantity)
    return sum(shares[layer.name] for layer in found.layers if layer.kind == kind)


@pytest.mark.parametrize("name", ["alexnet", "alexnet_owt", "zfnet", "zfnet_wide", "vgg11", "vgg16", "vgg19"])
def test_slides_most_of_the_parameters_are_linear_and_most_of_the_computation_convolution(name: str) -> None:
    found = profile(on_paper(name))
    assert share(found, "Linear", "parameters") > 0.8
    assert share(found, "Conv2d", "multiply_adds") > 0.9
    stages = found.stages
    assert stages.shares("parameters")["classifier"] == pytest.approx(share(found, "Linear", "parameters"))
    assert stages.shares("multiply_adds")["features"] == pytest.approx(share(found, "Conv2d", "multiply_adds"))


@pytest.mark.parametrize("name", ["nin", "googlenet", "resnet50", "resnext50_32x4d", "mobilenet_v1", "mobilenet_v2"])
def test_global_average_pooling_moves_the_parameters_into_the_convolutions(name: str) -> None:
    options = {"aux_logits": False} if name == "googlenet" else {}
    found = profile(on_paper(name, **options))
    assert share(found, "Conv2d", "parameters") > 0.6
    assert share(found, "Conv2d", "multiply_adds") > 0.99
    assert share(found, "Linear", "parameters") < 0.4
