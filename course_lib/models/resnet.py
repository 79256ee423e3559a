"""ResNet (He et al. 2016): 18 to 152 layers for ImageNet, from one table.

Notable: a bottleneck strides in its 3x3 convolution, as torchvision and nearly everyone since 2016; the paper strides
in the first 1x1. Parameters are equal, multiply-adds are not (4.09G against 3.86G, the paper's "3.8 x 10^9", for 50
layers). `stride_in_1x1=True` is the paper's. Shortcuts are option B unless said otherwise.

Form for small images (the stem of the paper's own networks for CIFAR-10, section 4.2): a first convolution of 3x3 and
stride 1 and no pooling, so that 32 pixels become 32, 16, 8 and 4 in the four stages.
The networks that the paper trains on CIFAR-10 are in `cifar_resnet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from course_lib.models.card import Card, Paper
from course_lib.models.residual import ResidualBlock, conv1x1, conv3x3, initialise, make_shortcut
from course_lib.models.width import scaled

SMALL_IMAGE = 64  # pixels: images up to this side get the small stem


class Block(Protocol):
    """A class of blocks: called with (in_channels, channels, stride) and its own options."""

    expansion: int  # channels that come out for each one asked for

    def __call__(self, *shape: Any, **options: Any) -> nn.Module: ...


class PlainBlock(nn.Module):
    """Two 3x3 convolutions, one after the other: what a residual network is compared with.

    Maps (N, in_channels, H, W) to (N, channels, H / stride, W / stride).
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def layers(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.layers(x))


class BasicBlock(PlainBlock, ResidualBlock):
    """The same two layers as a residual (figure 5, left; figure 2 in words). Shapes as `PlainBlock`.

    shortcut: "A", "B" or "C" of section 4.1.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, shortcut: str = "B") -> None:
        super().__init__(in_channels, channels, stride)
        self.downsample = make_shortcut(shortcut, in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(self.add(identity, self.layers, x))


class Bottleneck(ResidualBlock):
    """1x1 to reduce, 3x3, 1x1 to restore (figure 5, right); with `groups`, ResNeXt's block (Xie et al., figure 3c).

    Maps (N, in_channels, H, W) to (N, 4 * channels, H / stride, W / stride).
    groups, width_per_group: ResNeXt's cardinality and the width of one path where `channels` is 64.
    stride_in_1x1: the 2015 paper's place for the stride.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        shortcut: str = "B",
        groups: int = 1,
        width_per_group: int = 64,
        stride_in_1x1: bool = False,
    ) -> None:
        super().__init__()
        inner = groups * max(1, channels * width_per_group // 64)
        outer = channels * self.expansion
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = conv1x1(in_channels, inner, first)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, second, groups)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv1x1(inner, outer)
        self.bn3 = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU()
        self.downsample = make_shortcut(shortcut, in_channels, outer, stride)

    def layers(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(self.add(identity, self.layers, x))


class ResNet(nn.Module):
    """Stem, stages of blocks, average over all pixels, one linear layer (table 1). Modules are named as torchvision's.

    Maps (N, 3, H, W) to logits (N, num_classes), for any H and W.
    layers: blocks in each stage. channels: of each stage, before a bottleneck's expansion.
    small_stem: the stem for small images; None takes it for `image_size` up to 64.
    block_options: what `block` takes, such as `shortcut`. Raises TypeError for what it does not take.
    """

    def __init__(
        self,
        block: Block,
        layers: Sequence[int],
        num_classes: int = 1000,
        *,
        channels: Sequence[int] = (64, 128, 256, 512),
        image_size: int = 224,
        width: float = 1.0,
        small_stem: bool | None = None,
        **block_options: Any,
    ) -> None:
        super().__init__()
        channels = [scaled(c, width) for c in channels]
        small = image_size <= SMALL_IMAGE if small_stem is None else small_stem
        first = channels[0]
        self.conv1 = conv3x3(3, first) if small else nn.Conv2d(3, first, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = add_stages(self, block, layers, channels, **block_options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels[-1] * block.expansion, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def add_stages(
    network: nn.Module,
    block: Block,
    layers: Sequence[int],
    channels: Sequence[int],
    **block_options: Any,
) -> tuple[str, ...]:
    """Give `network` its stages `layer1`, `layer2`, ..., behind a stem of channels[0] channels, and return their names.

    The first block of each stage but the first halves the side.
    """
    in_channels = channels[0]
    names = []
    for stage, (count, width) in enumerate(zip(layers, channels, strict=True)):
        blocks = []
        for position in range(count):
            stride = 2 if stage > 0 and position == 0 else 1
            blocks.append(block(in_channels, width, stride, **block_options))
            in_channels = width * block.expansion
        names.append(f"layer{stage + 1}")
        network.add_module(names[-1], nn.Sequential(*blocks))
    return tuple(names)


def resnet18(num_classes: int = 1000, **options: Any) -> ResNet:
    """11,689,512 parameters; options as `ResNet` and `BasicBlock` take them."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, **options)


def resnet34(num_classes: int = 1000, **options: Any) -> ResNet:
    """21,797,672 parameters; options as `ResNet` and `BasicBlock` take them."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, **options)


def resnet50(num_classes: int = 1000, **options: Any) -> ResNet:
    """25,557,032 parameters; options as `ResNet` and `Bottleneck` take them."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, **options)


def resnet101(num_classes: int = 1000, **options: Any) -> ResNet:
    """44,549,160 parameters; options as `ResNet` and `Bottleneck` take them."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, **options)


def resnet152(num_classes: int = 1000, **options: Any) -> ResNet:
    """60,192,808 parameters; options as `ResNet` and `Bottleneck` take them."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes, **options)


HE_2016 = Paper(
    "He, Zhang, Ren and Sun",
    "Deep Residual Learning for Image Recognition",
    "CVPR",
    2016,
    "https://arxiv.org/abs/1512.03385",
)

# torchvision's first weights, from the paper's recipe of training; its second ones come from a newer recipe.
CARDS = (
    Card(
        resnet18,
        HE_2016,
        depth=18,
        error="top-1 27.88 %, ILSVRC-2012 validation, ten crops, option A (table 2)",
        weights="https://download.pytorch.org/models/resnet18-f37072fd.pth",
    ),
    Card(
        resnet34,
        HE_2016,
        depth=34,
        error="top-5 5.71 %, ILSVRC-2012 validation, one network (table 4)",
        weights="https://download.pytorch.org/models/resnet34-b627a593.pth",
    ),
    Card(
        resnet50,
        HE_2016,
        depth=50,
        error="top-5 5.25 %, ILSVRC-2012 validation, one network (table 4)",
        weights="https://download.pytorch.org/models/resnet50-0676ba61.pth",
    ),
    Card(
        resnet101,
        HE_2016,
        depth=101,
        error="top-5 4.60 %, ILSVRC-2012 validation, one network (table 4)",
        weights="https://download.pytorch.org/models/resnet101-63fe2227.pth",
    ),
    Card(
        resnet152,
        HE_2016,
        depth=152,
        error="top-5 4.49 %, ILSVRC-2012 validation, one network (table 4)",
        weights="https://download.pytorch.org/models/resnet152-394f9c45.pth",
    ),
)
