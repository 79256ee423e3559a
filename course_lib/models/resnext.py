"""ResNeXt (Xie et al. 2017): the bottleneck of ResNet with its 3x3 convolution in groups.

`32x4d` reads: cardinality 32, paths of 4 channels in the first stage. A block is the sum of 32 small bottlenecks
(figure 3a); splitting the 3x3 convolution into 32 groups (figure 3c) computes the same, and that is the form here:
ResNeXt-50 32x4d costs about what ResNet-50 costs. The stride is in the 3x3 convolution, as the paper's section 5 says.

Notable, for CIFAR: the paper trained blocks in pre-activation order there, and its authors' code has the original
order, of which they say that it is better; so it is here. The paper's parameters (table 7) leave out batch norm's.

Form of the ImageNet networks for small images: ResNet's. At reduced `width` the cardinality stays and the paths
become narrower, down to one channel each.
"""

from __future__ import annotations

from typing import Any

from course_lib.models.card import Card, Paper
from course_lib.models.cifar_resnet import blocks_per_stage
from course_lib.models.resnet import Bottleneck, ResNet


def resnext50_32x4d(num_classes: int = 1000, **options: Any) -> ResNet:
    """25,028,904 parameters; options as `ResNet` and `Bottleneck` take them."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, groups=32, width_per_group=4, **options)


def resnext101_32x8d(num_classes: int = 1000, **options: Any) -> ResNet:
    """88,791,336 parameters: torchvision's, twice as wide as the paper's 32x4d; options as for `resnext50_32x4d`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=32, width_per_group=8, **options)


def cifar_resnext(
    cardinality: int,
    width_per_group: int,
    num_classes: int = 10,
    *,
    depth: int = 29,
    image_size: int = 32,
    **options: Any,
) -> ResNet:
    """The networks of section 5.3: a 3x3 convolution and three stages; it takes images of any size.

    Raises CourseError where `depth` is not 9n + 2.
    """
    return ResNet(
        Bottleneck,
        (blocks_per_stage(depth, layers_per_block=3),) * 3,
        num_classes,
        channels=(64, 128, 256),
        image_size=image_size,
        small_stem=True,
        groups=cardinality,
        width_per_group=width_per_group,
        **options,
    )


def resnext29_8x64d(num_classes: int = 10, **options: Any) -> ResNet:
    """34,426,698 parameters; options as `ResNet` and `Bottleneck` take them."""
    return cifar_resnext(8, 64, num_classes, **options)


def resnext29_16x64d(num_classes: int = 10, **options: Any) -> ResNet:
    """68,155,210 parameters; options as `ResNet` and `Bottleneck` take them."""
    return cifar_resnext(16, 64, num_classes, **options)


def resnext29_32x4d(num_classes: int = 10, **options: Any) -> ResNet:
    """4,775,754 parameters, a width that is not in the paper; options as `ResNet` and `Bottleneck` take them."""
    return cifar_resnext(32, 4, num_classes, **options)


XIE_2017 = Paper(
    "Xie, Girshick, Dollár, Tu and He",
    "Aggregated Residual Transformations for Deep Neural Networks",
    "CVPR",
    2017,
    "https://arxiv.org/abs/1611.05431",
)

CARDS = (
    Card(
        resnext50_32x4d,
        XIE_2017,
        depth=50,
        error="top-1 22.2 %, ILSVRC-2012 validation, one crop (table 3)",
        weights="https://download.pytorch.org/models/resnext50_32x4d-7cdf4587.pth",
    ),
    Card(
        resnext101_32x8d,
        XIE_2017,
        depth=101,
        weights="https://download.pytorch.org/models/resnext101_32x8d-8ba56ff5.pth",
    ),
    Card(resnext29_8x64d, XIE_2017, depth=29, error="3.65 %, CIFAR-10 test, mean of ten (table 7)"),
    Card(resnext29_16x64d, XIE_2017, depth=29, error="3.58 %, CIFAR-10 test, mean of ten (table 7)"),
    Card(resnext29_32x4d, XIE_2017, depth=29),
)
