"""MobileNet v1 (Howard et al. 2017, table 1) and v2 (Sandler et al. 2018, table 2): convolutions in two factors.

Notable:
- v1 rectifies with ReLU and v2 with ReLU6, never after the projection of a block ("linear bottleneck").
- Paddings are symmetric, as everywhere in PyTorch. TensorFlow's SAME, with which the authors trained, pads the strided
  convolutions below and to the right only: sizes and counts are equal, outputs are not.
- The last depthwise convolution in v1's table 1 is printed "s2", from 7 x 7 to 7 x 7: its stride is 1.
- Table 2 of v1 prints 1.19 % of the multiply-adds for 3x3 convolutions. The network has 1.91 %, and only so do the
  table's rows sum to 100 %.
- v2's channels are rounded by the authors' code, not by the paper; modules are named as torchvision's.

Form for small images (ours: neither paper has one): the first two strides of 2 become 1, the rest is unchanged. 32
pixels end as 4 x 4, and the blocks still widen where they stride.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models import initialisation as init
from course_lib.models.card import Card, Paper
from course_lib.models.width import scaled

# v1, table 1: channels out of each pair of depthwise and pointwise convolution, and stride of the depthwise one.
V1_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
# v2, table 2: expansion t, channels c, repeats n, stride s of the first of them.
V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
SMALL_IMAGE = 64  # pixels: images up to this side skip the first two strides
SKIPPED_STRIDES = 2
# Standard deviation from which every layer starts: the authors' code's (TensorFlow's slim, truncated there).
INITIAL_STD = 0.09


def convolution(
    in_channels: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1, activation: type[nn.Module]
) -> nn.Sequential:
    """Convolution, batch norm, activation, in that order (v1, section 3.2)."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), activation())


def separable(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """A 3x3 convolution in two factors: one filter a channel, then 1x1 across channels (v1, figure 3)."""
    return nn.Sequential(
        OrderedDict(
            depthwise=convolution(in_channels, in_channels, 3, stride=stride, groups=in_channels, activation=nn.ReLU),
            pointwise=convolution(in_channels, channels, 1, activation=nn.ReLU),
        )
    )


class MobileNetV1(nn.Module):
    """Table 1 of v1. Maps (N, 3, image_size, image_size) to logits (N, num_classes).

    width: the paper's multiplier alpha; its own are 1.0, 0.75, 0.5 and 0.25.
    factorized=False puts full 3x3 convolutions in place of the pairs: "Conv MobileNet" of the paper's table 4.
    Batch norm has PyTorch's epsilon, 1e-5; the paper gives none.
    """

    def __init__(
        self, num_classes: int = 1000, *, image_size: int = 224, width: float = 1.0, factorized: bool = True
    ) -> None:
        super().__init__()
        strides = _strides(image_size, (2, *(stride for _, stride in V1_BLOCKS)))
        channels = scaled(32, width)
        self.features = nn.Sequential(convolution(3, channels, 3, stride=next(strides), activation=nn.ReLU))
        for (out, _), stride in zip(V1_BLOCKS, strides, strict=True):
            out = scaled(out, width)
            self.features.append(
                separable(channels, out, stride)
                if factorized
                else convolution(channels, out, 3, stride=stride, activation=nn.ReLU)
            )
            channels = out
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        init.gaussian(INITIAL_STD)(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter by 3x3 depthwise, project by 1x1 without activation (v2, table 1 and figure 4).

    Maps (N, in_channels, H, W) to (N, channels, H / stride, W / stride). The shortcut joins the narrow ends, where
    stride and channels let it. An expansion of 1 has no first 1x1 (the authors' code; the paper's table does not say).
    """

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.has_shortcut = stride == 1 and in_channels == channels
        expand = [convolution(in_channels, hidden, 1, activation=nn.ReLU6)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand,
            convolution(hidden, hidden, 3, stride=stride, groups=hidden, activation=nn.ReLU6),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """Table 2 of v2. Maps (N, 3, image_size, image_size) to logits (N, num_classes).

    width: any positive factor; below 1 the last convolution keeps its 1280 channels (v2, section 6.1).
    Dropout and the rounding of channels (`divisible`) are the authors' code's and torchvision's.
    """

    def __init__(
        self, num_classes: int = 1000, *, image_size: int = 224, width: float = 1.0, dropout: float = 0.2
    ) -> None:
        super().__init__()
        strides = _strides(image_size, (2, *(s if i == 0 else 1 for _, _, n, s in V2_STAGES for i in range(n))))
        channels, last = divisible(32 * width), divisible(1280 * max(1.0, width))
        self.features = nn.Sequential(convolution(3, channels, 3, stride=next(strides), activation=nn.ReLU6))
        for expansion, c, repeats, _ in V2_STAGES:
            out = divisible(c * width)
            for _ in range(repeats):
                self.features.append(InvertedResidual(channels, out, next(strides), expansion))
                channels = out
        self.features.append(convolution(channels, last, 1, activation=nn.ReLU6))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        init.gaussian(INITIAL_STD)(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, at least `divisor`, and never more than 10 % below `channels`.

    As the authors' code has it (`_make_divisible` in TensorFlow's slim); halves round up.
    Raises CourseError where `channels` is not positive.
    """
    if channels <= 0:
        raise CourseError(f"There is no layer of {channels:g} channels. Use a positive width.")
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * channels else nearest + divisor


def _strides(image_size: int, strides: tuple[int, ...]) -> Iterator[int]:
    """The network's strides in order; for small images the first two that are 2 become 1."""
    skip = SKIPPED_STRIDES if image_size <= SMALL_IMAGE else 0
    for stride in strides:
        yield 1 if stride == 2 and skip > 0 else stride
        skip -= stride == 2


def mobilenet_v1(num_classes: int = 1000, **options: Any) -> MobileNetV1:
    """MobileNet v1, 4,231,976 parameters at width 1; options as `MobileNetV1` takes them."""
    return MobileNetV1(num_classes, **options)


def mobilenet_v2(num_classes: int = 1000, **options: Any) -> MobileNetV2:
    """MobileNet v2, 3,504,872 parameters at width 1; options as `MobileNetV2` takes them."""
    return MobileNetV2(num_classes, **options)


HOWARD_2017 = Paper(
    "Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto and Adam",
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    "arXiv",
    2017,
    "https://arxiv.org/abs/1704.04861",
)
SANDLER_2018 = Paper(
    "Sandler, Howard, Zhu, Zhmoginov and Chen",
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    "CVPR",
    2018,
    "https://arxiv.org/abs/1801.04381",
)

CARDS = (
    Card(mobilenet_v1, HOWARD_2017, depth=28, error="top-1 29.4 %, ImageNet (table 4: accuracy 70.6 %)"),
    Card(
        mobilenet_v2,
        SANDLER_2018,
        depth=53,
        error="top-1 28.0 %, ImageNet (table 4: accuracy 72.0 %)",
        weights="https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
    ),
)
