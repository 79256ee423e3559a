"""VGG is torchvision's and table 1's: counted, compared with randomised weights, and each trap sprung on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models.vgg import CONFIGURATIONS, VGG
from course_lib.profiling import count_parameters, profile

DEPTHS = {"vgg11": 11, "vgg13": 13, "vgg16": 16, "vgg19": 19}
NAMES = [name + suffix for name in DEPTHS for suffix in ("", "_bn")]


def on_paper(name: str, **options: object) -> nn.Module:
    """A network without numbers in it: quick to build at full size."""
    with torch.device("meta"):
        return models.build(name, **options)


def torchvisions(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None, init_weights=False, **options)


# ---- Counts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_multiply_adds_are_torchvisions(name: str) -> None:
    ours, theirs = on_paper(name), torchvisions(name)
    assert count_parameters(ours) == count_parameters(theirs)
    with FlopCounterMode(display=False) as counter:
        theirs(torch.empty(1, 3, 224, 224, device="meta"))
    assert profile(ours).multiply_adds == counter.get_total_flops() // 2


@pytest.mark.parametrize(("name", "millions"), [("vgg11", 133), ("vgg13", 133), ("vgg16", 138), ("vgg19", 144)])
def test_depth_and_parameters_are_those_that_table_2_prints(name: str, millions: int) -> None:
    network = on_paper(name)
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in network.modules()) == DEPTHS[name]
    assert models.card(name).depth == models.card(f"{name}_bn").depth == DEPTHS[name]
    assert round(count_parameters(network) / 1e6) == millions


def test_every_configuration_has_the_stages_of_table_1() -> None:
    for stages in CONFIGURATIONS.values():
        assert [set(stage) for stage in stages] == [{64}, {128}, {256}, {512}, {512}]


def test_most_of_the_parameters_are_linear_and_nearly_all_computation_is_convolution() -> None:
    stages = profile(on_paper("vgg16")).stages
    assert stages.shares("parameters")["classifier"] > 0.89
    assert stages.shares("multiply_adds")["features"] > 0.99


# ---- Parity with torchvision ---------------------------------------------------------------------------------------


def narrow(network: nn.Module) -> nn.Module:
    """Give torchvision's network 64 hidden channels and 10 classes in its linear layers, which take 7 x 7 as before.

    Most of the 1 GB of a VGG in float64 is in them, and nothing that could differ.
    """
    first, second, last = (i for i, m in enumerate(network.classifier) if isinstance(m, nn.Linear))
    network.classifier[first] = nn.Linear(512 * 7 * 7, 64)
    network.classifier[second] = nn.Linear(64, 64)
    network.classifier[last] = nn.Linear(64, 10)
    return network


def pair(name: str, randomised: Callable) -> tuple[nn.Module, nn.Module]:
    """Our network and torchvision's, with the same random weights and statistics, loaded by name."""
    theirs = randomised(narrow(torchvisions(name)).to_empty(device="cpu"))
    ours = narrow(on_paper(name))
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    return ours.eval(), theirs


def difference(ours: nn.Module, theirs: nn.Module, x: Tensor) -> float:
    """Largest difference of the logits, relative to their size."""
    with torch.no_grad():
        a, b = ours(x), theirs(x)
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_torchvisions(name: str) -> None:
    def shapes(network: nn.Module) -> list[tuple[str, torch.Size]]:
        return [(key, value.shape) for key, value in network.state_dict().items()]

    assert shapes(on_paper(name)) == shapes(torchvisions(name))


@pytest.mark.parametrize("name", NAMES)
def test_vgg_takes_torchvisions_weights_and_computes_the_same(
    name: str, randomised: Callable, loud_images: Callable
) -> None:
    ours, theirs = pair(name, randomised)
    assert difference(ours, theirs, loud_images(side=64)) < 1e-12
    x = loud_images(side=32)
    torch.manual_seed(3)
    expected = theirs.train()(x)
    torch.manual_seed(3)
    torch.testing.assert_close(ours.train()(x), expected, rtol=1e-12, atol=1e-12)


def test_classes_and_dropout_are_passed_on() -> None:
    network = on_paper("vgg13", num_classes=7, dropout=0.25)
    assert network.classifier[-1].out_features == 7
    assert [m.p for m in network.classifier if isinstance(m, nn.Dropout)] == [0.25, 0.25]


def position(network: nn.Module, kind: type[nn.Module], which: int = 0) -> int:
    return [i for i, m in enumerate(network.features) if isinstance(m, kind)][which]


def replace(network: nn.Module, kind: type[nn.Module], by: nn.Module, which: int = 0) -> None:
    network.features[position(network, kind, which)] = by


def exchange_norm_and_relu(network: nn.Module) -> None:
    i = position(network, nn.BatchNorm2d)
    network.features[i], network.features[i + 1] = network.features[i + 1], network.features[i]


TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "pool of 3": lambda n: replace(n, nn.MaxPool2d, nn.MaxPool2d(3, 2, 1)),
    "average pool": lambda n: replace(n, nn.MaxPool2d, nn.AvgPool2d(2, 2), 2),
    "global average in place of 7 x 7": lambda n: setattr(
        n, "avgpool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Upsample(7))
    ),
    "maximum in place of the average": lambda n: setattr(n, "avgpool", nn.AdaptiveMaxPool2d(7)),
    "epsilon of 1e-3": lambda n: setattr(n.features[position(n, nn.BatchNorm2d)], "eps", 1e-3),
    "norm after ReLU": exchange_norm_and_relu,
    "norm missing": lambda n: replace(n, nn.BatchNorm2d, nn.Identity(), -1),
    "ReLU missing": lambda n: replace(n, nn.ReLU, nn.Identity(), -1),
    "ReLU6": lambda n: replace(n, nn.ReLU, nn.ReLU6()),
    "hidden ReLU missing": lambda n: n.classifier.__setitem__(4, nn.Identity()),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_parity_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    ours, theirs = pair("vgg11_bn", randomised)
    x = loud_images(count=1, side=64)
    TRAPS[trap](ours)
    assert difference(ours, theirs, x) > 1e-6


# ---- Initialisation ------------------------------------------------------------------------------------------------


def stds(network: nn.Module) -> list[float]:
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert not any(layer.bias.any() for layer in layers)
    return [layer.weight.std().item() for layer in layers]


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_default_initialisation_is_torchvisions(name: str) -> None:
    torch.manual_seed(0)
    ours = stds(models.build(name, num_classes=100, width=0.25))
    fan_out = [9 * c // 4 for stage in CONFIGURATIONS["A"] for c in stage]
    assert ours == pytest.approx([(2 / n) ** 0.5 for n in fan_out] + [0.01] * 3, rel=0.1)


@pytest.mark.parametrize(("initialisation", "std"), [("naive", 0.01), ("paper", 0.1)])
def test_one_standard_deviation_for_all_layers(initialisation: str, std: float) -> None:
    torch.manual_seed(0)
    network = models.vgg11(100, image_size=32, width=0.25, initialisation=initialisation)
    assert stds(network) == pytest.approx([std] * 11, rel=0.1)


def test_signals_keep_their_size_by_kaimings_vanish_by_the_naive_and_grow_by_the_papers() -> None:
    def gain(initialisation: str) -> float:
        torch.manual_seed(0)
        network = models.vgg19(10, image_size=32, width=0.5, initialisation=initialisation).eval()
        x = torch.randn(2, 3, 32, 32)
        with torch.no_grad():
            return float(network.features(x).square().mean().sqrt())

    assert 0.1 < gain("kaiming") < 100  # the five pools, which take maxima, raise it
    assert gain("naive") < 1e-9
    assert gain("paper") > 1e4


# ---- Forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_small_images_keep_every_convolution(name: str) -> None:
    small, full = on_paper(name, image_size=32), on_paper(name)
    assert {key: p.shape for key, p in small.features.named_parameters()} == {
        key: p.shape for key, p in full.features.named_parameters()
    }
    assert [type(m) for m in small.modules()] == [type(m) for m in full.modules()]
    assert [layer.out_features for layer in small.classifier if isinstance(layer, nn.Linear)] == [512, 512, 1000]


@pytest.mark.parametrize("width", [0.05, 0.6])
@pytest.mark.parametrize("image_size", [32, 48, 64, 65, 96])
def test_forms_work_at_every_size_and_width(width: float, image_size: int) -> None:
    network = on_paper("vgg16_bn", num_classes=10, image_size=image_size, width=width)
    assert network(torch.empty(2, 3, image_size, image_size, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("options", [{"initialisation": "xavier"}, {"image_size": 31}])
def test_a_wrong_choice_is_answered_in_words(options: dict) -> None:
    with pytest.raises(CourseError, match=r"xavier.*torchvision|31 pixels"):
        on_paper("vgg11", **options)
    with pytest.raises(CourseError, match=r"'C'.*A, B, D, E"):
        VGG("C")


def test_trains_under_bfloat16() -> None:
    network = models.vgg11_bn(10, image_size=32, width=0.125).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(network(torch.randn(4, 3, 32, 32)), torch.arange(4))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
