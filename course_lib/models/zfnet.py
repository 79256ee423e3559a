"""ZFNet (Zeiler & Fergus 2014): AlexNet after a look inside.

Looking at what AlexNet's layers respond to, the authors found dead and aliased filters, and changed (section 4.1) the
first convolution from 11x11, stride 4 to 7x7, stride 2, and the stride of the second to 2. The two towers are gone.

Notable: a stage is convolution, ReLU, pooling, normalisation (figure 3); AlexNet normalises before it pools. Figure 3's
sides 110, 55, 26, 13, 6 come out of 224 pixels only with a padding of 1 before the first convolution, none before the
second, and pools that round up. "Contrast normalized across feature maps" is all that the paper says of normalisation:
that it means AlexNet's, with AlexNet's constants, is everyone's reading.

Form for small images (ours: the paper has none): as AlexNet's, every layer kept but the first two convolutions at
stride 1, the first of 3x3 where AlexNet's is 5x5. 32 pixels become 16, 8 and 4.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models import initialisation as init
from course_lib.models.card import Card, Paper
from course_lib.models.local_response_norm import LocalResponseNorm
from course_lib.models.width import scaled

# Kernel, stride and padding of the first two convolutions.
STEM = ((7, 2, 1), (5, 2, 0))
SMALL_STEM = ((3, 1, 1), (5, 1, 2))
SMALL_IMAGE = 64  # pixels: images up to this side get the small stem

# Channels of the five convolutions: figure 3, and variant (b) of table 2.
FIGURE_3 = (96, 256, 384, 384, 256)
WIDE = (96, 256, 512, 1024, 512)

# Section 3 starts from 10^-2, which everyone reads as AlexNet's N(0, 0.01^2), and biases of 0.
INITIALISATIONS = {"paper": init.gaussian(0.01), "kaiming": init.kaiming}


class ZFNet(nn.Module):
    """The network of the paper's figure 3. Maps (N, 3, image_size, image_size) to logits (N, num_classes).

    channels: of the five convolutions. lrn: False leaves both normalisations out.
    initialisation: "paper" is section 3's, "kaiming" He et al. 2015; None takes Kaiming's for small images only.
    Raises CourseError for an unknown initialisation and for images too small for three poolings.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        channels: tuple[int, int, int, int, int] = FIGURE_3,
        image_size: int = 224,
        width: float = 1.0,
        lrn: bool = True,
        dropout: float = 0.5,
        initialisation: str | None = None,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(count, width) for count in channels)
        hidden = scaled(4096, width)
        small = image_size <= SMALL_IMAGE
        first, second = SMALL_STEM if small else STEM
        side = _side(image_size, first, second)
        norm = LocalResponseNorm if lrn else nn.Identity
        self.features = nn.Sequential(OrderedDict(
            conv1=nn.Conv2d(3, c1, *first), act1=nn.ReLU(), pool1=_pool(), norm1=norm(),
            conv2=nn.Conv2d(c1, c2, *second), act2=nn.ReLU(), pool2=_pool(), norm2=norm(),
            conv3=nn.Conv2d(c2, c3, 3, padding=1), act3=nn.ReLU(),
            conv4=nn.Conv2d(c3, c4, 3, padding=1), act4=nn.ReLU(),
            conv5=nn.Conv2d(c4, c5, 3, padding=1), act5=nn.ReLU(), pool5=_pool(),
        ))  # fmt: skip
        self.classifier = nn.Sequential(OrderedDict(
            fc6=nn.Linear(c5 * side * side, hidden), act6=nn.ReLU(), drop6=nn.Dropout(dropout),
            fc7=nn.Linear(hidden, hidden), act7=nn.ReLU(), drop7=nn.Dropout(dropout),
            fc8=nn.Linear(hidden, num_classes),
        ))  # fmt: skip
        init.apply(INITIALISATIONS, initialisation or ("kaiming" if small else "paper"), self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)  # halves the side, rounding down


def _side(image_size: int, *stem: tuple[int, int, int]) -> int:
    """Side of the last feature maps: a convolution and a pool, twice, then the last pool."""
    side = image_size
    for kernel, stride, padding in stem:
        side = ((side + 2 * padding - kernel) // stride + 1) // 2
    if side < 2:
        raise CourseError(f"ZFNet pools three times: images of {image_size} pixels leave nothing. Use 32 or more.")
    return side // 2


def zfnet(num_classes: int = 1000, **options: Any) -> ZFNet:
    """ZFNet as figure 3 draws it, 62,357,608 parameters; options as `ZFNet` takes them."""
    return ZFNet(num_classes, **options)


def zfnet_wide(num_classes: int = 1000, **options: Any) -> ZFNet:
    """ZFNet with 512, 1024 and 512 channels in layers 3 to 5, 107,627,624 parameters; options as `ZFNet` takes them."""
    return ZFNet(num_classes, channels=WIDE, **options)


ZEILER_2014 = Paper(
    "Zeiler and Fergus",
    "Visualizing and Understanding Convolutional Networks",
    "ECCV",
    2014,
    "https://arxiv.org/abs/1311.2901",
)

CARDS = (
    Card(zfnet, ZEILER_2014, depth=8, error="top-5 16.5 %, ILSVRC-2012 validation, one network (table 2)"),
    Card(zfnet_wide, ZEILER_2014, depth=8, error="top-5 16.0 %, ILSVRC-2012 validation, one network (table 2, b)"),
)
