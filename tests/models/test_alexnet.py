"""AlexNet is the paper's: counted from its text, compared with others' code, and each trap sprung on purpose."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torchvision
from pytorchcv.models import alexnet as peer
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models import local_response_norm
from course_lib.profiling import count_parameters, profile
from tests.models.parity import difference

WIDTH = 0.25


def on_paper(name: str, **options: object) -> nn.Module:
    """A network without numbers in it: quick to build at full size."""
    with torch.device("meta"):
        return models.build(name, **options)


# ---- Counts --------------------------------------------------------------------------------------------------------

# Section 3.5: kernels, their size, channels that each sees (half where the towers do not meet), output side.
CONVOLUTIONS_2012 = ((96, 11, 3, 55), (256, 5, 48, 27), (384, 3, 256, 13), (384, 3, 192, 13), (256, 3, 192, 13))
# The one-tower network as torchvision has it.
CONVOLUTIONS_2014 = ((64, 11, 3, 55), (192, 5, 64, 27), (384, 3, 192, 13), (256, 3, 384, 13), (256, 3, 256, 13))
LINEAR = ((4096, 256 * 6 * 6), (4096, 4096), (1000, 4096))


@pytest.mark.parametrize(
    ("name", "convolutions", "parameters"),
    [("alexnet", CONVOLUTIONS_2012, 60_965_224), ("alexnet_owt", CONVOLUTIONS_2014, 61_100_840)],
)
def test_parameters_and_multiply_adds_are_those_of_the_papers_layers(
    name: str, convolutions: tuple[tuple[int, int, int, int], ...], parameters: int
) -> None:
    network = on_paper(name)
    by_hand = sum(c * (k * k * seen + 1) for c, k, seen, _ in convolutions) + sum(o * (i + 1) for o, i in LINEAR)
    multiply_adds = sum(c * k * k * seen * side**2 for c, k, seen, side in convolutions) + sum(o * i for o, i in LINEAR)
    assert count_parameters(network) == by_hand == parameters
    assert profile(network).multiply_adds == multiply_adds


def test_most_of_the_parameters_are_linear_and_most_of_the_computation_is_convolution() -> None:
    stages = profile(on_paper("alexnet")).stages
    assert stages.shares("parameters")["classifier"] > 0.95
    assert stages.shares("multiply_adds")["features"] > 0.9


def test_four_layer_network_has_the_parameters_of_its_published_definition() -> None:
    network = models.build("alexnet_four_layer")
    assert count_parameters(network) == 32 * 76 + 32 * 801 + 64 * 801 + 10 * (64 * 16 + 1)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


# ---- Parity with other implementations -----------------------------------------------------------------------------


def two_towers(dense: nn.Conv2d, grouped: nn.Conv2d) -> None:
    """Write a grouped convolution into a dense one: towers that do not meet are zeros between them."""
    half_out, half_in = (n // 2 for n in dense.weight.shape[:2])
    dense.weight.zero_()
    dense.weight[:half_out, :half_in] = grouped.weight[:half_out]
    dense.weight[half_out:, half_in:] = grouped.weight[half_out:]
    dense.bias.copy_(grouped.bias)


@pytest.fixture
def peer_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], nn.Module]:
    """pytorchcv's `alexnet` with our weights. Patched: its missing groups, its padding of 0, PyTorch's alpha."""
    convolve_and_rectify = peer.ConvBlock.forward

    def forward(self: peer.AlexConv, x: Tensor) -> Tensor:
        x = convolve_and_rectify(self, x)
        return F.local_response_norm(x, 5, alpha=5 * 1e-4, beta=0.75, k=2.0) if self.use_lrn else x

    monkeypatch.setattr(peer.AlexConv, "forward", forward)

    def build(ours: nn.Module) -> nn.Module:
        features, classifier = ours.features, ours.classifier
        convolutions = [features.conv1, features.conv2, features.conv3, features.conv4, features.conv5]
        c1, c2, c3, c4, c5 = (c.out_channels for c in convolutions)
        theirs = peer.AlexNet(
            [[c1], [c2], [c3, c4, c5]],
            [[11], [5], [3, 3, 3]],
            [[4], [1], [1, 1, 1]],
            [[2], [2], [1, 1, 1]],
            use_lrn=True,
        ).double()
        dense = [m for m in theirs.features.modules() if isinstance(m, nn.Conv2d)]
        with torch.no_grad():
            for target, source in zip(dense, convolutions, strict=True):
                (two_towers if source.groups == 2 else copy)(target, source)
        theirs.output.fc1.fc, theirs.output.fc2.fc, theirs.output.fc3 = classifier.fc6, classifier.fc7, classifier.fc8
        return theirs.eval()

    return build


def copy(target: nn.Conv2d, source: nn.Conv2d) -> None:
    target.load_state_dict(source.state_dict())


def test_alexnet_computes_what_pytorchcv_computes(
    randomised: Callable, loud_images: Callable, peer_of: Callable
) -> None:
    ours = randomised(models.alexnet(100, width=WIDTH))
    assert difference(ours, peer_of(ours), loud_images()) < 1e-12


def swap(features: nn.Sequential, first: str, second: str) -> None:
    a, b = features.get_submodule(first), features.get_submodule(second)
    setattr(features, first, b)
    setattr(features, second, a)


def exchange_towers(features: nn.Sequential) -> None:
    """Each tower computes with the other's channels."""
    weight = features.conv4.weight
    with torch.no_grad():
        weight.copy_(weight.roll(len(weight) // 2, 0))


TRAPS: dict[str, Callable[[nn.Sequential], object]] = {
    "alpha divided by the window": lambda f: setattr(f.norm1, "alpha", 1e-4 / 5),
    "k of 1": lambda f: setattr(f.norm2, "k", 1.0),
    "beta of 1": lambda f: setattr(f.norm1, "beta", 1.0),
    "window of 3": lambda f: setattr(f.norm1, "size", 3),
    "second norm missing": lambda f: setattr(f, "norm2", nn.Identity()),
    "pool before norm": lambda f: swap(f, "norm1", "pool1"),
    "norm before ReLU": lambda f: swap(f, "act1", "norm1"),
    "pool of 2": lambda f: setattr(f, "pool1", nn.MaxPool2d(2, 2)),
    "average pool": lambda f: setattr(f, "pool2", nn.AvgPool2d(3, 2)),
    "last pool of 2": lambda f: setattr(f, "pool5", nn.MaxPool2d(2, 2)),
    "padding of 0": lambda f: setattr(f.conv1, "padding", (0, 0)),
    "padding of 3": lambda f: setattr(f.conv1, "padding", (3, 3)),
    "stride of 5": lambda f: setattr(f.conv1, "stride", (5, 5)),
    "last ReLU missing": lambda f: setattr(f, "act5", nn.Identity()),
    "towers exchanged": exchange_towers,
}


@pytest.mark.parametrize("trap", TRAPS)
def test_parity_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable, peer_of: Callable) -> None:
    ours = randomised(models.alexnet(100, width=WIDTH))
    theirs = peer_of(ours)
    TRAPS[trap](ours.features)
    assert difference(ours, theirs, loud_images(count=1)) > 1e-6


def test_alexnet_drops_what_pytorchcv_drops(randomised: Callable, loud_images: Callable, peer_of: Callable) -> None:
    ours = randomised(models.alexnet(100, width=WIDTH))
    theirs, x = peer_of(ours).train(), loud_images()
    ours.train()
    torch.manual_seed(3)
    expected = theirs(x)
    torch.manual_seed(3)
    torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)


def test_dropout_is_on_the_outputs_of_the_first_two_linear_layers() -> None:
    network = models.build("alexnet", num_classes=10, image_size=32, width=WIDTH, activation="tanh")
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
            inputs[name], outputs[name] = taken[0], given

        return hook

    for name in ("fc6", "fc7", "fc8"):
        network.classifier.get_submodule(name).register_forward_hook(keep(name))
    network(torch.rand(4, 3, 32, 32))
    assert (inputs["fc6"] == 0).float().mean() < 0.01
    for before, after in (("fc6", "fc7"), ("fc7", "fc8")):
        kept = inputs[after] != 0
        assert kept.float().mean().item() == pytest.approx(0.5, abs=0.05)
        torch.testing.assert_close(inputs[after][kept], 2 * outputs[before].tanh()[kept])


def test_alexnet_owt_takes_torchvisions_weights_and_computes_the_same(
    randomised: Callable, loud_images: Callable
) -> None:
    theirs = randomised(torchvision.models.alexnet(num_classes=10))
    ours = models.alexnet_owt(10).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert difference(ours, theirs, loud_images(1)) < 1e-12
    assert difference(ours, theirs, loud_images(1, side=150)) < 1e-12  # the adaptive pool at work
    x = loud_images(1)
    with torch.no_grad():
        torch.manual_seed(3)
        expected = theirs.train()(x)
        torch.manual_seed(3)
        torch.testing.assert_close(ours.train()(x), expected, rtol=1e-12, atol=1e-12)


# ---- Options and forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_size", [224, 32])
@pytest.mark.parametrize(
    "option", [{"activation": "tanh"}, {"lrn": False}, {"dropout": 0.0}, {"overlapping_pooling": False}]
)
def test_an_option_changes_one_idea_and_keeps_names_and_shapes(option: dict, image_size: int) -> None:
    def parts(**options: object) -> tuple[dict, list]:
        network = on_paper("alexnet", image_size=image_size, width=WIDTH, **options)
        shapes = {name: p.shape for name, p in network.named_parameters()}
        return shapes, [layer.output_shape for layer in profile(network, image_size).layers]

    assert parts(**option) == parts()


def test_each_option_changes_the_function() -> None:
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 20
    build = {"num_classes": 10, "image_size": 32, "width": WIDTH}
    reference = models.build("alexnet", **build).eval()
    for option in ({"activation": "tanh"}, {"lrn": False}, {"overlapping_pooling": False}):
        network = models.build("alexnet", **build, **option).eval()
        network.load_state_dict(reference.state_dict())
        assert not torch.allclose(network(x), reference(x), rtol=1e-2), option


@pytest.mark.parametrize("name", ["alexnet", "alexnet_owt", "alexnet_four_layer"])
@pytest.mark.parametrize("width", [0.05, 0.25, 0.6, 1.0])
@pytest.mark.parametrize("image_size", [32, 64])
def test_forms_for_small_images_work_at_every_width(name: str, width: float, image_size: int) -> None:
    network = on_paper(name, num_classes=10, image_size=image_size, width=width)
    assert network(torch.empty(2, 3, image_size, image_size, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("name", ["alexnet", "alexnet_owt", "alexnet_four_layer"])
def test_a_few_steps_lower_the_loss_and_every_parameter_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    network = models.build(name, num_classes=10, image_size=32, width=WIDTH)
    x, y = torch.randn(32, 3, 32, 32), torch.arange(32) % 10
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(10):
        loss = F.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert sum(losses[-3:]) < 0.97 * sum(losses[:3])


@pytest.mark.parametrize("name", ["alexnet", "alexnet_owt", "alexnet_four_layer"])
def test_a_picture_is_judged_alone_whatever_the_batch_and_the_memory_format(name: str) -> None:
    network = models.build(name, num_classes=10, image_size=32, width=WIDTH).double().eval()
    x = torch.randn(3, 3, 32, 32, dtype=torch.double)
    together = network(x)
    torch.testing.assert_close(torch.cat([network(one) for one in x.split(1)]), together, rtol=1e-10, atol=1e-10)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(x.to(memory_format=torch.channels_last)), together, rtol=1e-10, atol=1e-10)


def test_the_same_seed_gives_the_same_network() -> None:
    first, second, other = (
        (torch.manual_seed(seed), models.build("alexnet", image_size=32, width=WIDTH))[1].state_dict()
        for seed in (5, 5, 6)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["features.conv1.weight"], other["features.conv1.weight"])


def test_papers_initialisation_is_section_5s() -> None:
    network = models.alexnet(width=WIDTH)
    layers = {name.rpartition(".")[2]: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    ones = {name for name, layer in layers.items() if torch.equal(layer.bias, torch.ones_like(layer.bias))}
    zeros = {name for name, layer in layers.items() if not layer.bias.any()}
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert zeros == {"conv1", "conv3", "fc8"}
    assert all(layer.weight.std().item() == pytest.approx(0.01, rel=0.05) for layer in layers.values())


def test_small_images_start_from_kaimings_unless_the_papers_is_asked_for() -> None:
    small = {"image_size": 32, "width": WIDTH}
    assert not models.alexnet(**small).features.conv2.bias.any()
    assert models.alexnet(**small, initialisation="paper").features.conv2.bias.all()


@pytest.mark.parametrize("options", [{"activation": "gelu"}, {"initialisation": "xavier"}, {"image_size": 7}])
def test_a_wrong_choice_is_answered_in_words(options: dict) -> None:
    with pytest.raises(CourseError, match=r"gelu.*relu|xavier.*paper|7 pixels"):
        models.alexnet(**options)


@pytest.mark.parametrize("name", ["alexnet", "alexnet_owt", "alexnet_four_layer"])
def test_exports_with_a_free_batch_size(name: str) -> None:
    network = models.build(name, num_classes=10, image_size=32, width=WIDTH).eval()
    batch = torch.export.Dim("batch")
    exported = torch.export.export(network, (torch.rand(2, 3, 32, 32),), dynamic_shapes=({0: batch},))
    x = torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(exported.module()(x), network(x))


def test_trains_under_bfloat16() -> None:
    network = models.build("alexnet", num_classes=10, image_size=32, width=WIDTH).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(network(torch.randn(4, 3, 32, 32)), torch.arange(4))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert local_response_norm.LocalResponseNorm()(torch.ones(1, 8, 2, 2, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("seed", range(3))
def test_the_small_one_tower_form_starts_without_an_opinion(seed: int) -> None:
    """A loss far above that of a guess is one from which large steps go to infinity."""
    torch.manual_seed(seed)
    network = models.build("alexnet_owt", num_classes=10, image_size=32, width=0.25).eval()
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network(torch.randn(64, 3, 32, 32)), torch.randint(10, (64,)))
    assert loss < 1.5 * math.log(10)
