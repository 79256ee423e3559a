"""ResNeXt is its paper's: counted against peers and table 7, compared with their outputs, each trap sprung."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from pytorchcv.models import resnext_cifar
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models.resnet import Bottleneck, ResNet
from course_lib.models.resnext import cifar_resnext
from course_lib.profiling import count_parameters, profile
from tests.models.test_resnet import bare, counted, difference, give_weights, on_paper

IMAGENET = ("resnext50_32x4d", "resnext101_32x8d")
CIFAR = {"resnext29_8x64d": (8, 64), "resnext29_16x64d": (16, 64), "resnext29_32x4d": (32, 4)}


def peer_of(name: str) -> nn.Module:
    return bare(resnext_cifar.get_resnext_cifar, 10, 29, *CIFAR[name])


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenet_networks_cost_what_torchvisions_cost(name: str) -> None:
    ours, theirs = on_paper(models.build, name), on_paper(getattr(torchvision.models, name))
    assert count_parameters(ours) == count_parameters(theirs)
    assert profile(ours).multiply_adds == counted(theirs, 224)


@pytest.mark.parametrize("name", CIFAR)
def test_cifar_networks_cost_what_pytorchcvs_cost(name: str) -> None:
    ours = on_paper(models.build, name)
    theirs = on_paper(resnext_cifar.get_resnext_cifar, 10, 29, *CIFAR[name])
    assert count_parameters(ours) == count_parameters(theirs)
    assert profile(ours, 32).multiply_adds == counted(theirs, 32)


@pytest.mark.parametrize(("name", "printed"), [("resnext29_8x64d", 34.4), ("resnext29_16x64d", 68.1)])
def test_table_7_counts_parameters_without_batch_norms(name: str, printed: float) -> None:
    network = on_paper(models.build, name)
    norms = sum(count_parameters(m) for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    assert round((count_parameters(network) - norms) / 1e6, 1) == printed


def test_grouping_buys_width_at_the_cost_of_resnet() -> None:
    """Table 1 of the paper: 25.0M parameters against 25.5M, with twice the channels in the bottleneck."""
    resnext, resnet = on_paper(models.resnext50_32x4d), on_paper(models.resnet50)
    assert count_parameters(resnext) == pytest.approx(count_parameters(resnet), rel=0.03)
    assert resnext.layer1[0].conv2.out_channels == 2 * resnet.layer1[0].conv2.out_channels


@pytest.mark.parametrize("name", IMAGENET)
def test_takes_torchvisions_weights_and_computes_the_same(
    name: str, randomised: Callable, loud_images: Callable
) -> None:
    theirs = randomised(bare(getattr(torchvision.models, name), num_classes=10))
    ours = bare(models.build, name, num_classes=10)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert difference(ours, theirs, loud_images(1, side=53)) < 1e-11


def with_pytorchcv(name: str, randomised: Callable) -> tuple[nn.Module, nn.Module]:
    ours, theirs = randomised(bare(models.build, name)), peer_of(name)
    give_weights(ours, theirs)
    for stage in (1, 2, 3):
        projection = getattr(ours, f"layer{stage}")[0].downsample
        unit = theirs.get_submodule(f"features.stage{stage}.unit1.identity_conv")
        unit.conv.load_state_dict(projection[0].state_dict())
        unit.bn.load_state_dict(projection[1].state_dict())
    return ours, theirs


@pytest.mark.parametrize("name", CIFAR)
def test_cifar_networks_compute_what_pytorchcvs_compute(name: str, randomised: Callable, loud_images: Callable) -> None:
    ours, theirs = with_pytorchcv(name, randomised)
    assert difference(ours, theirs, loud_images(1, side=32)) < 1e-11


def move_stride(network: ResNet) -> None:
    block = network.layer2[0]
    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def regroup(network: ResNet) -> None:
    """The same weights with the channels dealt to the paths in turn instead of in blocks."""
    block = network.layer1[1]
    block.conv1.register_forward_hook(lambda module, inputs, output: F.channel_shuffle(output, block.conv2.groups))


TRAPS: dict[str, Callable[[ResNet], object]] = {
    "stride in the 1x1": move_stride,
    "channels dealt in turn": regroup,
    "ReLU before the sum": lambda n: setattr(n.layer1[0], "bn3", nn.Sequential(n.layer1[0].bn3, nn.ReLU())),
    "projection without batch norm": lambda n: n.layer1[0].downsample.pop(1),
    "batch norm's epsilon": lambda n: setattr(n.layer1[0].bn2, "eps", 1e-3),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_parity_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    ours, theirs = with_pytorchcv("resnext29_32x4d", randomised)
    TRAPS[trap](ours)
    assert difference(ours, theirs, loud_images(1, side=32)) > 1e-7


def test_a_grouped_block_is_the_sum_of_its_paths(randomised: Callable) -> None:
    """Figure 3: split, transform, merge (a) and the grouped convolution (c) are one function."""
    cardinality = 4
    block = randomised(Bottleneck(32, 8, groups=cardinality, width_per_group=64))
    x = torch.randn(2, 32, 6, 6, dtype=torch.double)

    def path(i: int) -> Tensor:
        y = F.conv2d(x, block.conv1.weight.chunk(cardinality)[i])
        y = normalised(y, block.bn1, i).relu()
        y = F.conv2d(y, block.conv2.weight.chunk(cardinality)[i], padding=1)
        y = normalised(y, block.bn2, i).relu()
        return F.conv2d(y, block.conv3.weight.chunk(cardinality, dim=1)[i])

    def normalised(y: Tensor, norm: nn.BatchNorm2d, i: int) -> Tensor:
        mean, var, weight, bias = (
            t.chunk(cardinality)[i] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        return F.batch_norm(y, mean, var, weight, bias, eps=norm.eps)

    torch.testing.assert_close(block.layers(x), block.bn3(sum(path(i) for i in range(cardinality))))


@pytest.mark.parametrize("name", [*IMAGENET, *CIFAR])
@pytest.mark.parametrize("width", [0.05, 0.25])
def test_reduced_width_keeps_the_cardinality(name: str, width: float) -> None:
    network, full = models.build(name, num_classes=7, image_size=32, width=width).eval(), on_paper(models.build, name)
    assert {b.conv2.groups for b in network.modules() if isinstance(b, Bottleneck)} == {full.layer1[0].conv2.groups}
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_another_depth_is_answered_with_the_nearest() -> None:
    with pytest.raises(CourseError, match=r"9n \+ 2, such as 29 or 38"):
        cifar_resnext(8, 64, depth=30)
