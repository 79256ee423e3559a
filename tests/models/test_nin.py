"""NIN is its authors' published definitions: counted, compared with pytorchcv's, and each trap sprung on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytorchcv.models import nin_cifar as peer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib import models
from course_lib.errors import CourseError
from course_lib.profiling import count_parameters, profile
from tests.models.parity import difference

# The published definitions: channels, kernel, channels that it sees, output side of each convolution.
CIFAR10_DEF = (
    (192, 5, 3, 32), (160, 1, 192, 32), (96, 1, 160, 32),
    (192, 5, 96, 16), (192, 1, 192, 16), (192, 1, 192, 16),
    (192, 3, 192, 8), (192, 1, 192, 8), (10, 1, 192, 8),
)  # fmt: skip
NIN_IMAGENET = (
    (96, 11, 3, 54), (96, 1, 96, 54), (96, 1, 96, 54),
    (256, 5, 96, 27), (256, 1, 256, 27), (256, 1, 256, 27),
    (384, 3, 256, 13), (384, 1, 384, 13), (384, 1, 384, 13),
    (1024, 3, 384, 6), (1024, 1, 1024, 6), (1000, 1, 1024, 6),
)  # fmt: skip
NAMES = ["nin", "nin_cifar10"]


def on_paper(name: str, **options: object) -> nn.Module:
    """A network without numbers in it."""
    with torch.device("meta"):
        return models.build(name, **options)


# ---- Counts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "side", "definition", "parameters"),
    [("nin", 224, NIN_IMAGENET, 7_595_176), ("nin_cifar10", 32, CIFAR10_DEF, 966_986)],
)
def test_parameters_and_multiply_adds_are_those_of_the_definition(
    name: str, side: int, definition: tuple[tuple[int, int, int, int], ...], parameters: int
) -> None:
    network = on_paper(name)
    costs = profile(network, side)
    assert count_parameters(network) == parameters == sum(c * (k * k * seen + 1) for c, k, seen, _ in definition)
    assert costs.multiply_adds == sum(c * k * k * seen * out**2 for c, k, seen, out in definition)
    convolutions = [layer.output_shape[1:3] for layer in costs.layers if layer.kind == "Conv2d"]
    assert convolutions == [(c, out) for c, _, _, out in definition]
    assert models.card(name).depth == len(definition)


def test_parameters_and_multiply_adds_are_pytorchcvs() -> None:
    with torch.device("meta"):
        theirs = peer.nin_cifar10()
        with FlopCounterMode(display=False) as counter:
            theirs(torch.empty(1, 3, 32, 32))
    assert count_parameters(on_paper("nin_cifar10")) == count_parameters(theirs)
    assert profile(on_paper("nin_cifar10"), 32).multiply_adds == counter.get_total_flops() // 2


def test_the_whole_network_is_smaller_than_alexnets_first_linear_layer() -> None:
    assert count_parameters(on_paper("nin")) * 4 < on_paper("alexnet").classifier.fc6.weight.numel()


# ---- Parity with pytorchcv -----------------------------------------------------------------------------------------


def patch(theirs: nn.Module) -> None:
    """pytorchcv pads its pools where the authors' round up, and averages in the second of CIFAR-10's."""
    for stage in theirs.features:
        if isinstance(stage[0], nn.MaxPool2d | nn.AvgPool2d):
            stage[0] = nn.MaxPool2d(3, 2, ceil_mode=True)


def copy(theirs: nn.Module, ours: nn.Module) -> nn.Module:
    pairs = zip(*([m for m in n.modules() if isinstance(m, nn.Conv2d)] for n in (theirs, ours)), strict=True)
    for target, source in pairs:
        target.load_state_dict(source.state_dict())
    return theirs.double().eval()


def cifars_peer(ours: nn.Module) -> nn.Module:
    theirs = peer.nin_cifar10()
    patch(theirs)
    return copy(theirs, ours)


def imagenets_peer(ours: nn.Module) -> nn.Module:
    """pytorchcv has CIFAR's only: the same class with `nin_imagenet`'s table, first stride, dropout and last pool."""
    theirs = peer.CIFARNIN([[96] * 3, [256] * 3, [384] * 3, [1024] * 2], [11, 5, 3, 3], num_classes=100)
    first = theirs.features.stage1.unit1.conv
    first.stride, first.padding = (4, 4), (0, 0)
    theirs.output.final_pool = nn.AvgPool2d(6, 1)
    patch(theirs)
    theirs.features.stage2.dropout2 = theirs.features.stage3.dropout3 = nn.Identity()
    return copy(theirs, ours)


PEERS = {"nin": imagenets_peer, "nin_cifar10": cifars_peer}
OPTIONS = {"nin": {"num_classes": 100}, "nin_cifar10": {}}
SIDE = {"nin": 224, "nin_cifar10": 32}


@pytest.mark.parametrize("name", NAMES)
def test_nin_computes_what_pytorchcv_computes(name: str, randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.build(name, **OPTIONS[name]))
    theirs, x = PEERS[name](ours), loud_images(count=1, side=SIDE[name])
    assert difference(ours, theirs, x) < 1e-12
    torch.manual_seed(3)
    expected = theirs.train()(x)
    torch.manual_seed(3)
    torch.testing.assert_close(ours.train()(x), expected, rtol=1e-12, atol=1e-12)


TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "average in the second pool": lambda f: setattr(f, "pool2", nn.AvgPool2d(3, 2, ceil_mode=True)),
    "pools padded": lambda f: setattr(f, "pool1", nn.MaxPool2d(3, 2, padding=1)),
    "pools rounding down": lambda f: setattr(f, "pool1", nn.MaxPool2d(3, 2)),
    "pool of 2": lambda f: setattr(f, "pool2", nn.MaxPool2d(2, 2)),
    "last ReLU missing": lambda f: setattr(f.mlpconv3, "act2", nn.Identity()),
    "ReLU of the convolution missing": lambda f: setattr(f.mlpconv1, "act", nn.Identity()),
    "ReLU between the 1x1 missing": lambda f: setattr(f.mlpconv2, "act1", nn.Identity()),
    "padding of 0": lambda f: setattr(f.mlpconv1.conv, "padding", (0, 0)),
    "1x1 exchanged": lambda f: exchange(f.mlpconv2),
}


def exchange(block: nn.Sequential) -> None:
    block.cccp1, block.cccp2 = block.cccp2, block.cccp1


@pytest.mark.parametrize("trap", TRAPS)
def test_parity_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.nin_cifar10())
    theirs = cifars_peer(ours)
    TRAPS[trap](ours.features)
    assert difference(ours, theirs, loud_images(side=32)) > 1e-6


IMAGENET_TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "padding of 2": lambda f: setattr(f.mlpconv1.conv, "padding", (2, 2)),
    "stride of 3": lambda f: setattr(f.mlpconv1.conv, "stride", (3, 3)),
    "last pool padded": lambda f: setattr(f, "pool3", nn.MaxPool2d(3, 2, padding=1)),
    "last ReLU missing": lambda f: setattr(f.mlpconv4, "act2", nn.Identity()),
}


@pytest.mark.parametrize("trap", IMAGENET_TRAPS)
def test_parity_sees_each_trap_of_the_imagenet_network(trap: str, randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.nin(100))
    theirs = imagenets_peer(ours)
    IMAGENET_TRAPS[trap](ours.features)
    assert difference(ours, theirs, loud_images(count=1)) > 1e-6


# ---- Forms and starts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_the_averages_of_class_activation_maps(name: str) -> None:
    network = models.build(name, num_classes=10, image_size=32, width=0.125).eval()
    x = torch.randn(2, 3, 32, 32)
    maps = network.features(x)
    assert maps.shape[:2] == (2, 10)
    torch.testing.assert_close(network(x), maps.mean((2, 3)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [0.05, 0.6])
@pytest.mark.parametrize("image_size", [32, 64, 65, 96, 224])
def test_forms_work_at_every_size_and_width(name: str, width: float, image_size: int) -> None:
    network = on_paper(name, num_classes=10, image_size=image_size, width=width)
    assert network(torch.empty(2, 3, image_size, image_size, device="meta")).shape == (2, 10)


def test_small_images_keep_every_layer() -> None:
    def kinds(image_size: int) -> list[str]:
        return [layer.kind for layer in profile(on_paper("nin", image_size=image_size), image_size).layers]

    assert kinds(32) == kinds(224)
    sides = [layer.output_shape[-1] for layer in profile(on_paper("nin", image_size=32), 32).layers]
    assert sorted(set(sides), reverse=True) == [32, 16, 8, 4, 1]


def test_dropout_is_passed_on() -> None:
    for name, count in (("nin", 1), ("nin_cifar10", 2)):
        assert [m.p for m in on_paper(name, dropout=0.25).modules() if isinstance(m, nn.Dropout)] == [0.25] * count


def test_the_authors_initialisation_is_the_definitions() -> None:
    torch.manual_seed(0)
    stds = {
        name: [m.weight.std().item() for m in network.modules() if isinstance(m, nn.Conv2d)]
        for name in NAMES
        for network in [models.build(name, width=0.5, num_classes=100, initialisation="authors")]
    }
    assert stds["nin_cifar10"] == pytest.approx([0.05] * 9, rel=0.1)
    assert stds["nin"] == pytest.approx([0.01, *[0.05] * 5, 0.01, *[0.05] * 4, 0.01], rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_pass_the_last_relu_at_the_start(name: str) -> None:
    torch.manual_seed(0)
    network = models.build(name, num_classes=10, image_size=32, width=0.25)
    assert (network(torch.randn(16, 3, 32, 32)) > 0).all()


@pytest.mark.parametrize("options", [{"initialisation": "xavier"}, {"image_size": 7}])
@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_choice_is_answered_in_words(name: str, options: dict) -> None:
    with pytest.raises(CourseError, match=r"xavier.*kaiming|7 pixels"):
        on_paper(name, **options)
