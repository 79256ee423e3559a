"""GoogLeNet (Szegedy et al. 2015), table 1 of the paper, and torchvision's version of it with batch normalisation.

The two differ in what `Form` lists, and in nothing else. Modules are named as torchvision's in both.

Notable:
- The paper's "(S)" paddings halve each side; on the table's even sides that is a 3x3 pool of stride 2 that may end
  outside of the map (`ceil_mode`). The first convolution has Caffe's symmetric padding of 3.
- The paper names its normalisation and gives no constants: these are AlexNet's. Caffe's GoogLeNet has alpha / 5, k = 1.
- Table 1 prints 2.7K parameters and 34M operations for the first convolution, whose 7x7x3x64 weights are 9.4K and
  118M. They are those of a depthwise-separable one, 7x7x3x8 + 24x64 = 2712, which Chollet 2017 (section 2) reports as
  the first layer of Inception V1. Here it is the dense one that the table, the figure and everyone since describe.
- In training the network returns three outputs, for which `heads_loss` is the paper's loss; in evaluation the logits.

Form for small images (ours: the paper has none): a first convolution of 3x3 and stride 1 and no pool after it, the rest
unchanged, so that 32 pixels become 16, 8 and 4 where 224 become 28, 14 and 7. The heads pool with stride 1 to their
4 x 4.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.models import initialisation as init
from course_lib.models.card import Card, Paper
from course_lib.models.local_response_norm import LocalResponseNorm
from course_lib.models.width import scaled

# Table 1: 1x1, then 3x3 reduce and 3x3, then 5x5 reduce and 5x5, then the projection behind the pool.
BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
HEAD_WEIGHT = 0.3  # section 5: of each head's loss in the total
HEAD_DROPOUT = 0.7
SMALL_IMAGE = 64  # pixels: images up to this side get the small stem
# ImageNet's mean and standard deviation, with which torchvision's images come; its weights expect 0.5 and 0.5.
IMAGENET_STATISTICS = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))


@dataclass(frozen=True)
class Form:
    """What torchvision's network has otherwise than the paper's."""

    batch_norm: bool
    lrn: bool
    large_kernel: int  # of the branch that the paper calls 5x5
    last_pool: int  # between 4e and 5a
    head_pool: int | None  # kernel of the heads' average pool; None pools any map to 4 x 4
    dropout: float


PAPER = Form(batch_norm=False, lrn=True, large_kernel=5, last_pool=3, head_pool=5, dropout=0.4)
# 3x3 for 5x5 is a slip that its weights preserve (torchvision issue 906).
TORCHVISION = Form(batch_norm=True, lrn=False, large_kernel=3, last_pool=2, head_pool=None, dropout=0.2)


class Outputs(NamedTuple):
    """What GoogLeNet returns in training, each (N, num_classes), named and ordered as torchvision's."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


def heads_loss(outputs: Outputs | Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the logits plus 0.3 times that of each head (section 5); without heads the first alone.

    For `training.fit(..., loss=heads_loss)`. labels: (N,).
    """
    if isinstance(outputs, Tensor):
        return F.cross_entropy(outputs, labels)
    main, *heads = (F.cross_entropy(logits, labels) for logits in outputs)
    return main + HEAD_WEIGHT * sum(heads)


def convolution(in_channels: int, channels: int, kernel: int, form: Form, stride: int = 1) -> nn.Sequential:
    """Convolution and ReLU, "all the convolutions, including those inside the Inception modules" (section 5)."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=not form.batch_norm)
    norm = {"bn": nn.BatchNorm2d(channels, eps=1e-3)} if form.batch_norm else {}
    return nn.Sequential(OrderedDict(conv=conv, **norm, relu=nn.ReLU()))


class Inception(nn.Module):
    """Four views of the same map side by side (figure 2b). Maps (N, in_channels, H, W) to (N, out_channels, H, W).

    filters: a row of `BLOCKS`. Their outputs are concatenated in the order 1x1, 3x3, 5x5, pool.
    """

    def __init__(self, in_channels: int, filters: tuple[int, ...], form: Form = PAPER) -> None:
        super().__init__()
        c1, reduce3, c3, reduce5, c5, projection = filters
        self.out_channels = c1 + c3 + c5 + projection
        self.branch1 = convolution(in_channels, c1, 1, form)
        self.branch2 = nn.Sequential(convolution(in_channels, reduce3, 1, form), convolution(reduce3, c3, 3, form))
        self.branch3 = nn.Sequential(
            convolution(in_channels, reduce5, 1, form), convolution(reduce5, c5, form.large_kernel, form)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), convolution(in_channels, projection, 1, form)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Head(nn.Module):
    """An auxiliary classifier (section 5). Maps (N, in_channels, side, side) to logits (N, num_classes).

    The paper's average pool, 5x5 with stride 3, takes 14 x 14 to 4 x 4; on maps of other sides the stride is the one
    that comes nearest to that, and the kernel no larger than the map.
    """

    def __init__(self, in_channels: int, side: int, num_classes: int, width: float, form: Form) -> None:
        super().__init__()
        channels, hidden = scaled(128, width), scaled(1024, width)
        if form.head_pool is None:
            self.pool: nn.Module = nn.AdaptiveAvgPool2d(4)
            left = 4
        else:
            kernel = min(form.head_pool, side)
            stride = max(1, (side - kernel) // 3)
            self.pool = nn.AvgPool2d(kernel, stride)
            left = (side - kernel) // stride + 1
        self.conv = convolution(in_channels, channels, 1, form)
        self.fc1 = nn.Linear(channels * left * left, hidden)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(HEAD_DROPOUT)
        self.fc2 = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.pool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Table 1. Maps (N, 3, image_size, image_size) to logits (N, num_classes), in training mode to `Outputs`.

    aux_logits=False builds it without heads: it returns the logits in training too.
    transform_input: take images normalised with ImageNet's statistics to a mean and deviation of 0.5, which
    torchvision's weights expect (`models.build(..., weights="imagenet")` sets it).
    Weights start by Kaiming's rule; the paper does not say how its own did.
    Raises CourseError for images of fewer than 8 pixels, of which the pools leave nothing.
    """

    def __init__(
        self,
        form: Form,
        num_classes: int = 1000,
        *,
        image_size: int = 224,
        width: float = 1.0,
        aux_logits: bool = True,
        dropout: float | None = None,
        transform_input: bool = False,
    ) -> None:
        super().__init__()
        if image_size < 8:
            raise CourseError(f"GoogLeNet leaves nothing of images of {image_size} pixels. Use 32 or more.")
        is_small = image_size <= SMALL_IMAGE
        norm = LocalResponseNorm if form.lrn else nn.Identity
        c1, c2, channels = (scaled(filters, width) for filters in (64, 64, 192))
        # Pools halve a side and round down; the first convolution halves it and rounds up.
        side = image_size // 4 if is_small else (image_size + 1) // 2 // 8
        self.transform_input = transform_input

        def block(name: str) -> Inception:
            nonlocal channels
            made = Inception(channels, tuple(scaled(filters, width) for filters in BLOCKS[name]), form)
            channels = made.out_channels
            return made

        def head() -> Head | None:
            return Head(channels, side, num_classes, width, form) if aux_logits else None

        self.conv1 = convolution(3, c1, 3, form) if is_small else convolution(3, c1, 7, form, stride=2)
        self.maxpool1 = nn.Identity() if is_small else _halve()
        self.lrn1 = norm()
        self.conv2 = convolution(c1, c2, 1, form)
        self.conv3 = convolution(c2, channels, 3, form)
        self.lrn2 = norm()
        self.maxpool2 = _halve()
        self.inception3a, self.inception3b = block("3a"), block("3b")
        self.maxpool3 = _halve()
        self.inception4a, self.aux1 = block("4a"), head()
        self.inception4b, self.inception4c = block("4b"), block("4c")
        self.inception4d, self.aux2 = block("4d"), head()
        self.inception4e = block("4e")
        self.maxpool4 = _halve(form.last_pool)
        self.inception5a, self.inception5b = block("5a"), block("5b")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(form.dropout if dropout is None else dropout)
        self.fc = nn.Linear(channels, num_classes)
        init.kaiming(self)

    def forward(self, x: Tensor) -> Tensor | Outputs:
        if self.transform_input:
            x = _to_half(x)
        x = self.lrn1(self.maxpool1(self.conv1(x)))
        x = self.maxpool2(self.lrn2(self.conv3(self.conv2(x))))  # (N, 192, 28, 28) of 224 pixels
        x = self.maxpool3(self.inception3b(self.inception3a(x)))  # (N, 480, 14, 14)
        x = self.inception4a(x)
        aux1 = self.aux1(x) if self.training and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if self.training and self.aux2 is not None else None
        x = self.maxpool4(self.inception4e(x))  # (N, 832, 7, 7)
        x = self.inception5b(self.inception5a(x))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return x if aux1 is None or aux2 is None else Outputs(x, aux2, aux1)


def _halve(kernel: int = 3) -> nn.Module:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)


def _to_half(x: Tensor) -> Tensor:
    """Images normalised with ImageNet's statistics, as if it had been with 0.5 and 0.5."""
    shifted = [x[:, c] * (std / 0.5) + (mean - 0.5) / 0.5 for c, (mean, std) in enumerate(IMAGENET_STATISTICS)]
    return torch.stack(shifted, 1)


def googlenet(num_classes: int = 1000, **options: Any) -> GoogLeNet:
    """GoogLeNet of the paper, 6,998,552 parameters and 6,379,728 in its heads; options as `GoogLeNet` takes them."""
    return GoogLeNet(PAPER, num_classes, **options)


def googlenet_bn(num_classes: int = 1000, **options: Any) -> GoogLeNet:
    """GoogLeNet as torchvision has it, 6,624,904 parameters and 6,379,984 in its heads; options as `GoogLeNet`'s."""
    return GoogLeNet(TORCHVISION, num_classes, **options)


SZEGEDY_2015 = Paper(
    "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich",
    "Going Deeper with Convolutions",
    "CVPR",
    2015,
    "https://arxiv.org/abs/1409.4842",
)

CARDS = (
    Card(googlenet, SZEGEDY_2015, depth=22, error="top-5 10.07 %, ILSVRC-2014, one network, one crop (table 3)"),
    Card(
        googlenet_bn,
        SZEGEDY_2015,
        depth=22,
        weights="https://download.pytorch.org/models/googlenet-1378be20.pth",
        weights_options={"transform_input": True},
    ),
)
