"""The networks of He et al. 2016, section 4.2, for CIFAR-10: 6n + 2 layers, residual and plain.

A 3x3 convolution, three stages of n blocks with 16, 32 and 64 channels on 32, 16 and 8 pixels, an average over all
pixels, one linear layer. Shortcuts are option A, without parameters, so `resnet56` and `plain56` have the same
parameters under the same names: what differs is the sum, and nothing else.

Notable: most published code has projections here (option B), and 2,752 parameters more.
"""

from __future__ import annotations

from typing import Any

from course_lib.errors import CourseError
from course_lib.models.card import Card
from course_lib.models.resnet import HE_2016, BasicBlock, Block, PlainBlock, ResNet

CHANNELS = (16, 32, 64)


def cifar_resnet(block: Block, depth: int, num_classes: int = 10, *, image_size: int = 32, **options: Any) -> ResNet:
    """The network of `depth` = 6n + 2 layers, made of `BasicBlock` or `PlainBlock`; it takes images of any size.

    Raises CourseError where no n gives `depth`.
    """
    layers = (blocks_per_stage(depth, layers_per_block=2),) * 3
    return ResNet(block, layers, num_classes, channels=CHANNELS, image_size=image_size, small_stem=True, **options)


def blocks_per_stage(depth: int, layers_per_block: int) -> int:
    """The n in 6n + 2 (blocks of two layers) or 9n + 2 (bottlenecks): three stages of n blocks, first and last layer.

    Raises CourseError where no n gives `depth`.
    """
    step = 3 * layers_per_block
    blocks, rest = divmod(depth - 2, step)
    if blocks < 1 or rest:
        below = max(1, blocks)
        raise CourseError(
            f"No network here has {depth} layers: they have {step}n + 2, such as {step * below + 2} or "
            f"{step * (below + 1) + 2}."
        )
    return blocks


def _residual(depth: int, num_classes: int, *, shortcut: str = "A", **options: Any) -> ResNet:
    return cifar_resnet(BasicBlock, depth, num_classes, shortcut=shortcut, **options)


def resnet20(num_classes: int = 10, **options: Any) -> ResNet:
    """269,722 parameters; options as `ResNet` and `BasicBlock` take them."""
    return _residual(20, num_classes, **options)


def resnet32(num_classes: int = 10, **options: Any) -> ResNet:
    """464,154 parameters; options as `ResNet` and `BasicBlock` take them."""
    return _residual(32, num_classes, **options)


def resnet44(num_classes: int = 10, **options: Any) -> ResNet:
    """658,586 parameters; options as `ResNet` and `BasicBlock` take them."""
    return _residual(44, num_classes, **options)


def resnet56(num_classes: int = 10, **options: Any) -> ResNet:
    """853,018 parameters; options as `ResNet` and `BasicBlock` take them."""
    return _residual(56, num_classes, **options)


def resnet110(num_classes: int = 10, **options: Any) -> ResNet:
    """1,727,962 parameters; options as `ResNet` and `BasicBlock` take them.

    The paper trains its first 400 iterations at a learning rate of 0.01 before 0.1.
    """
    return _residual(110, num_classes, **options)


def resnet1202(num_classes: int = 10, **options: Any) -> ResNet:
    """19,421,274 parameters; options as `ResNet` and `BasicBlock` take them."""
    return _residual(1202, num_classes, **options)


def plain20(num_classes: int = 10, **options: Any) -> ResNet:
    """`resnet20` without its shortcuts; options as `ResNet` takes them."""
    return cifar_resnet(PlainBlock, 20, num_classes, **options)


def plain32(num_classes: int = 10, **options: Any) -> ResNet:
    """`resnet32` without its shortcuts; options as `ResNet` takes them."""
    return cifar_resnet(PlainBlock, 32, num_classes, **options)


def plain44(num_classes: int = 10, **options: Any) -> ResNet:
    """`resnet44` without its shortcuts; options as `ResNet` takes them."""
    return cifar_resnet(PlainBlock, 44, num_classes, **options)


def plain56(num_classes: int = 10, **options: Any) -> ResNet:
    """`resnet56` without its shortcuts; options as `ResNet` takes them."""
    return cifar_resnet(PlainBlock, 56, num_classes, **options)


def plain110(num_classes: int = 10, **options: Any) -> ResNet:
    """`resnet110` without its shortcuts, which the paper could not train; options as `ResNet` takes them."""
    return cifar_resnet(PlainBlock, 110, num_classes, **options)


CARDS = (
    Card(resnet20, HE_2016, depth=20, error="8.75 %, CIFAR-10 test (table 6)"),
    Card(resnet32, HE_2016, depth=32, error="7.51 %, CIFAR-10 test (table 6)"),
    Card(resnet44, HE_2016, depth=44, error="7.17 %, CIFAR-10 test (table 6)"),
    Card(resnet56, HE_2016, depth=56, error="6.97 %, CIFAR-10 test (table 6)"),
    Card(resnet110, HE_2016, depth=110, error="6.43 %, CIFAR-10 test, best of five (table 6)"),
    Card(resnet1202, HE_2016, depth=1202, error="7.93 %, CIFAR-10 test (table 6)"),
    Card(plain20, HE_2016, depth=20),
    Card(plain32, HE_2016, depth=32),
    Card(plain44, HE_2016, depth=44),
    Card(plain56, HE_2016, depth=56),
    Card(plain110, HE_2016, depth=110, error="above 60 %, CIFAR-10 (figure 6)"),
)
