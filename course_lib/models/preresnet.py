"""Pre-activation ResNets for CIFAR-10 (He et al. 2016b): batch norm and ReLU before each convolution, 9n + 2 layers.

Nothing stands on the path of the shortcuts any more, neither a ReLU nor a batch norm, so a signal and its gradient
pass from any block to any other as they are (equations 4 and 5): 1001 layers train.

Notable: where the shape changes, the shortcut is a 1x1 convolution without batch norm, and it starts behind the
block's first batch norm and ReLU, which it shares. The stride is in the first 1x1, as in the authors' code
(KaimingHe/resnet-1k-layers); `stride_in_1x1=False` moves it into the 3x3, for a quarter more
multiply-adds in the two blocks concerned. The paper's 10.2M parameters for 1001 layers leave out those of batch norm.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from course_lib.models.card import Card, Paper
from course_lib.models.cifar_resnet import CHANNELS, blocks_per_stage
from course_lib.models.residual import ResidualBlock, conv1x1, conv3x3, initialise
from course_lib.models.resnet import add_stages
from course_lib.models.width import scaled


class PreActivationBottleneck(ResidualBlock):
    """Figure 1 (b) with the bottleneck's three convolutions.

    Maps (N, in_channels, H, W) to (N, 4 * channels, H / stride, W / stride).
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, stride_in_1x1: bool = True) -> None:
        super().__init__()
        outer = channels * self.expansion
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv1x1(in_channels, channels, first)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, second)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = conv1x1(channels, outer)
        self.relu = nn.ReLU()
        changes = stride != 1 or in_channels != outer
        self.downsample = conv1x1(in_channels, outer, stride) if changes else None

    def convolutions(self, activated: Tensor) -> Tensor:
        x = self.conv1(activated)
        x = self.conv2(self.relu(self.bn2(x)))
        return self.conv3(self.relu(self.bn3(x)))

    def layers(self, x: Tensor) -> Tensor:
        return self.convolutions(self.relu(self.bn1(x)))

    def forward(self, x: Tensor) -> Tensor:
        if self.downsample is None:
            return self.add(x, self.layers, x)
        activated = self.relu(self.bn1(x))
        return self.add(self.downsample(activated), self.convolutions, activated)


class PreActivationResNet(nn.Module):
    """A convolution, three stages of `blocks` bottlenecks, a last batch norm and ReLU, average, one linear layer.

    Maps (N, 3, H, W) to logits (N, num_classes), for any H and W: `image_size` changes nothing.
    """

    def __init__(
        self, blocks: int, num_classes: int = 10, *, image_size: int = 32, width: float = 1.0, **block_options: Any
    ) -> None:
        super().__init__()
        channels = [scaled(c, width) for c in CHANNELS]
        outer = channels[-1] * PreActivationBottleneck.expansion
        self.conv1 = conv3x3(3, channels[0])
        self.stages = add_stages(self, PreActivationBottleneck, (blocks,) * 3, channels, **block_options)
        self.bn = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(outer, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for name in self.stages:
            x = getattr(self, name)(x)
        x = self.relu(self.bn(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def preresnet164(num_classes: int = 10, **options: Any) -> PreActivationResNet:
    """1,703,258 parameters; options as `PreActivationResNet` and `PreActivationBottleneck` take them."""
    return PreActivationResNet(blocks_per_stage(164, layers_per_block=3), num_classes, **options)


def preresnet1001(num_classes: int = 10, **options: Any) -> PreActivationResNet:
    """10,327,706 parameters; options as `PreActivationResNet` and `PreActivationBottleneck` take them."""
    return PreActivationResNet(blocks_per_stage(1001, layers_per_block=3), num_classes, **options)


HE_2016B = Paper(
    "He, Zhang, Ren and Sun",
    "Identity Mappings in Deep Residual Networks",
    "ECCV",
    2016,
    "https://arxiv.org/abs/1603.05027",
)

CARDS = (
    Card(preresnet164, HE_2016B, depth=164, error="5.46 %, CIFAR-10 test, median of five (table 4)"),
    Card(preresnet1001, HE_2016B, depth=1001, error="4.92 %, CIFAR-10 test, median of five (table 4)"),
)
