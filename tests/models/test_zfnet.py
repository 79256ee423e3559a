"""ZFNet is figure 3's: counted from its text, compared with pytorchcv's, and each trap sprung on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytorchcv.models import alexnet as peer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from course_lib import models
from course_lib.errors import CourseError
from course_lib.profiling import count_parameters, profile
from tests.models.parity import difference

NAMES = ["zfnet", "zfnet_wide"]
CHANNELS = {"zfnet": (96, 256, 384, 384, 256), "zfnet_wide": (96, 256, 512, 1024, 512)}
WIDTH = 0.125


def on_paper(name: str, **options: object) -> nn.Module:
    """A network without numbers in it: quick to build at full size."""
    with torch.device("meta"):
        return models.build(name, **options)


# ---- Counts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "parameters"), [("zfnet", 62_357_608), ("zfnet_wide", 107_627_624)])
def test_parameters_and_multiply_adds_are_those_of_figure_3(name: str, parameters: int) -> None:
    kernels, sides = (7, 5, 3, 3, 3), (110, 26, 13, 13, 13)
    channels = CHANNELS[name]
    seen = (3, *channels)
    linear = ((4096, channels[-1] * 6 * 6), (4096, 4096), (1000, 4096))
    layers = list(zip(channels, seen, kernels, sides, strict=False))
    network = on_paper(name)
    assert count_parameters(network) == parameters
    assert parameters == sum(c * (k * k * s + 1) for c, s, k, _ in layers) + sum(o * (i + 1) for o, i in linear)
    multiply_adds = sum(c * k * k * s * side**2 for c, s, k, side in layers) + sum(o * i for o, i in linear)
    assert profile(network).multiply_adds == multiply_adds == counted(peers(CHANNELS[name]))


def counted(network: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 224, 224, device="meta"))
    return counter.get_total_flops() // 2


def test_feature_maps_have_the_sides_that_figure_3_prints() -> None:
    sides = {layer.name: layer.output_shape[-1] for layer in profile(on_paper("zfnet")).layers}
    printed = {"conv1": 110, "pool1": 55, "conv2": 26, "pool2": 13, "conv3": 13, "conv4": 13, "conv5": 13, "pool5": 6}
    assert {name: sides[f"features.{name}"] for name in printed} == printed


# ---- Parity with pytorchcv -----------------------------------------------------------------------------------------


def peers(channels: tuple[int, ...], **options: int) -> nn.Module:
    """pytorchcv's ZFNet of these channels, as its `get_zfnet` makes it, on paper."""
    c1, c2, *rest = channels
    with torch.device("meta"):
        return peer.AlexNet(
            [[c1], [c2], rest],
            [[7], [5], [3, 3, 3]],
            [[2], [2], [1, 1, 1]],
            [[1], [0], [1, 1, 1]],
            use_lrn=True,
            **options,
        )


class PatchedStage(nn.Sequential):
    """pytorchcv's stage, patched: it normalises before the pool, as AlexNet does, and by PyTorch's alpha."""

    def forward(self, x: Tensor) -> Tensor:
        return F.local_response_norm(super().forward(x), 5, alpha=5 * 1e-4, beta=0.75, k=2.0)


def peer_of(ours: nn.Module) -> nn.Module:
    """pytorchcv's network with our weights, its normalisation after the pools."""
    convolutions = [m for m in ours.features if isinstance(m, nn.Conv2d)]
    theirs = peers(tuple(c.out_channels for c in convolutions), num_classes=ours.classifier.fc8.out_features)
    for name in ("stage1", "stage2"):
        stage = theirs.features.get_submodule(name)
        stage.unit1.use_lrn = False
        setattr(theirs.features, name, PatchedStage(*stage))
    blocks = [m for m in theirs.modules() if isinstance(m, peer.AlexConv)]
    for block, convolution in zip(blocks, convolutions, strict=True):
        assert block.conv.weight.shape == convolution.weight.shape
        block.conv.load_state_dict(convolution.state_dict(), assign=True)
    classifier = ours.classifier
    theirs.output.fc1.fc, theirs.output.fc2.fc, theirs.output.fc3 = classifier.fc6, classifier.fc7, classifier.fc8
    return theirs.eval()


@pytest.mark.parametrize("name", NAMES)
def test_zfnet_computes_what_pytorchcv_computes(name: str, randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.build(name, num_classes=100, width=WIDTH))
    assert difference(ours, peer_of(ours), loud_images()) < 1e-12


def swap(features: nn.Sequential, first: str, second: str) -> None:
    a, b = features.get_submodule(first), features.get_submodule(second)
    setattr(features, first, b)
    setattr(features, second, a)


TRAPS: dict[str, Callable[[nn.Sequential], object]] = {
    "norm before pool, as AlexNet": lambda f: swap(f, "norm1", "pool1"),
    "second norm before pool": lambda f: swap(f, "norm2", "pool2"),
    "norm before ReLU": lambda f: swap(f, "act1", "norm1"),
    "alpha divided by the window": lambda f: setattr(f.norm1, "alpha", 1e-4 / 5),
    "k of 1": lambda f: setattr(f.norm2, "k", 1.0),
    "norm missing": lambda f: setattr(f, "norm2", nn.Identity()),
    "pool of 2": lambda f: setattr(f, "pool1", nn.MaxPool2d(2, 2)),
    "average pool": lambda f: setattr(f, "pool5", nn.AvgPool2d(3, 2)),
    "pools rounding down": lambda f: [setattr(f.get_submodule(n), "ceil_mode", False) for n in ("pool1", "pool2")],
    "first padding of 0": lambda f: setattr(f.conv1, "padding", (0, 0)),
    "first padding of 3": lambda f: setattr(f.conv1, "padding", (3, 3)),
    "second padding of 2": lambda f: setattr(f.conv2, "padding", (2, 2)),
    "stride of 4": lambda f: setattr(f.conv1, "stride", (4, 4)),
    "second stride of 1": lambda f: setattr(f.conv2, "stride", (1, 1)),
    "last ReLU missing": lambda f: setattr(f, "act5", nn.Identity()),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_parity_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.zfnet(10, width=WIDTH))
    theirs = peer_of(ours)
    TRAPS[trap](ours.features)
    assert difference(ours, theirs, loud_images(count=1)) > 1e-6


def test_zfnet_drops_what_pytorchcv_drops(randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.zfnet(10, width=WIDTH))
    theirs, x = peer_of(ours).train(), loud_images(count=1)
    ours.train()
    torch.manual_seed(3)
    expected = theirs(x)
    torch.manual_seed(3)
    torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)


# ---- Options and forms ---------------------------------------------------------------------------------------------


def test_small_images_keep_every_layer_and_alexnets_small_sides() -> None:
    def parts(name: str, image_size: int) -> tuple[list[str], list[int]]:
        layers = profile(on_paper(name, image_size=image_size), image_size).layers
        pools = [layer.output_shape[-1] for layer in layers if layer.kind == "MaxPool2d"]
        return [layer.name for layer in layers], pools

    assert parts("zfnet", 32)[0] == parts("zfnet", 224)[0]
    assert parts("zfnet", 32)[1] == parts("alexnet", 32)[1] == [16, 8, 4]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [0.05, 0.6])
@pytest.mark.parametrize("image_size", [32, 64, 65, 96, 227])
def test_forms_work_at_every_size_and_width(name: str, width: float, image_size: int) -> None:
    network = on_paper(name, num_classes=10, image_size=image_size, width=width)
    assert network(torch.empty(2, 3, image_size, image_size, device="meta")).shape == (2, 10)


def test_without_normalisation_the_rest_is_the_same() -> None:
    x = 20 * torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    options = {"num_classes": 10, "image_size": 32, "width": WIDTH}
    network, plain = models.zfnet(**options).eval(), models.zfnet(**options, lrn=False).eval()
    plain.load_state_dict(network.state_dict())
    assert not torch.allclose(network(x), plain(x), rtol=1e-2)


def test_papers_initialisation_is_section_3s_and_small_images_start_from_kaimings() -> None:
    paper = models.zfnet(width=0.25)
    for layer in paper.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
            assert not layer.bias.any()
    small = models.zfnet(10, image_size=32, width=0.25)
    assert small.features.conv3.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)
    again = models.zfnet(10, image_size=32, width=0.25, initialisation="paper")
    assert again.features.conv3.weight.std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("options", [{"initialisation": "xavier"}, {"image_size": 7}])
def test_a_wrong_choice_is_answered_in_words(options: dict) -> None:
    with pytest.raises(CourseError, match=r"xavier.*paper|7 pixels"):
        on_paper("zfnet", **options)
