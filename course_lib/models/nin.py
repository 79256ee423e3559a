"""Network in Network (Lin, Chen and Yan 2014): a small perceptron at every pixel, and no linear layer at the end.

A stage is an mlpconv: a convolution, then two 1x1 convolutions, a ReLU after each. The last stage has one map a class,
whose average over the image is the class's logit (section 3.2): `features` gives class activation maps.

The paper prints no channels. Those here are the authors' published definitions: `cifar-10_def` of their fork of
cuda-convnet, and `nin_imagenet` of Caffe's model zoo.

Notable: there is a ReLU after the last 1x1 convolution too, so that logits are never negative. Pools are 3x3 with
stride 2, both of CIFAR's maxima, and round up, as cuda-convnet and Caffe do without saying so. For CIFAR-10, dropout
follows each pool; for ImageNet the last only.

Form of the ImageNet network for small images (ours: it has none): all four stages, the first convolution of 5x5 and
stride 1, as our AlexNet has it. 32 pixels become 16, 8 and 4.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models import initialisation as init
from course_lib.models.card import Card, Paper
from course_lib.models.width import scaled

# Kernel, stride and padding of the first convolution for ImageNet.
STEM = (11, 4, 0)
SMALL_STEM = (5, 1, 2)
SMALL_IMAGE = 64  # pixels: images up to this side get the small stem

# Layers that the authors do not start from N(0, 0.05^2), as they do all others.
NARROW_START = {"features.mlpconv1.conv": 0.01, "features.mlpconv3.conv": 0.01, "features.mlpconv4.cccp2": 0.01}


class NIN(nn.Module):
    """Four stages for ImageNet, `nin_imagenet`. Maps (N, 3, image_size, image_size) to logits (N, num_classes).

    initialisation: "kaiming" is ours, see `kaiming_initialisation`; "authors" is the published definition's, which
    needs their training schedule, and the paper's "manually set" learning rates, to leave its plateau.
    Raises CourseError for an unknown initialisation and for images too small for three pools.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        image_size: int = 224,
        width: float = 1.0,
        dropout: float = 0.5,
        initialisation: str = "kaiming",
    ) -> None:
        super().__init__()
        _check(image_size, pools=3)
        c1, c2, c3, c4 = (scaled(channels, width) for channels in (96, 256, 384, 1024))
        stem = SMALL_STEM if image_size <= SMALL_IMAGE else STEM
        self.features = nn.Sequential(OrderedDict(
            mlpconv1=mlpconv(3, (c1, c1, c1), *stem), pool1=_pool(),
            mlpconv2=mlpconv(c1, (c2, c2, c2), 5, padding=2), pool2=_pool(),
            mlpconv3=mlpconv(c2, (c3, c3, c3), 3, padding=1), pool3=_pool(), drop3=nn.Dropout(dropout),
            mlpconv4=mlpconv(c3, (c4, c4, num_classes), 3, padding=1),
        ))  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        init.apply({"kaiming": kaiming_initialisation, "authors": imagenet_initialisation}, initialisation, self)

    def forward(self, x: Tensor) -> Tensor:
        return self.avgpool(self.features(x)).flatten(1)


class NINCifar(nn.Module):
    """Three stages for CIFAR-10, `cifar-10_def`. Maps (N, 3, image_size, image_size) to logits (N, num_classes).

    The same layers at every image_size: the average at the end takes maps of any side.
    initialisation: "kaiming" is ours, see `kaiming_initialisation`; "authors" is the published N(0, 0.05^2).
    Raises CourseError for an unknown initialisation and for images too small for two pools.
    """

    def __init__(
        self,
        num_classes: int = 10,
        *,
        image_size: int = 32,
        width: float = 1.0,
        dropout: float = 0.5,
        initialisation: str = "kaiming",
    ) -> None:
        super().__init__()
        _check(image_size, pools=2)
        c1, c2, c3, c = (scaled(channels, width) for channels in (192, 160, 96, 192))
        self.features = nn.Sequential(OrderedDict(
            mlpconv1=mlpconv(3, (c1, c2, c3), 5, padding=2), pool1=_pool(), drop1=nn.Dropout(dropout),
            mlpconv2=mlpconv(c3, (c, c, c), 5, padding=2), pool2=_pool(), drop2=nn.Dropout(dropout),
            mlpconv3=mlpconv(c, (c, c, num_classes), 3, padding=1),
        ))  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        init.apply({"kaiming": kaiming_initialisation, "authors": init.gaussian(0.05)}, initialisation, self)

    def forward(self, x: Tensor) -> Tensor:
        return self.avgpool(self.features(x)).flatten(1)


def mlpconv(
    in_channels: int, channels: tuple[int, int, int], kernel: int, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """The paper's block (section 3.1): a convolution and a perceptron of two layers, shared by all pixels.

    The 1x1 convolutions are called `cccp`, cascaded cross-channel parametric pooling, as in the authors' definitions.
    """
    c1, c2, c3 = channels
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(in_channels, c1, kernel, stride, padding), act=nn.ReLU(),
        cccp1=nn.Conv2d(c1, c2, 1), act1=nn.ReLU(),
        cccp2=nn.Conv2d(c2, c3, 1), act2=nn.ReLU(),
    ))  # fmt: skip


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def _check(image_size: int, pools: int) -> None:
    if image_size < 2 ** (pools + 1):
        raise CourseError(f"NIN pools {pools} times: images of {image_size} pixels leave nothing. Use 32 or more.")


def kaiming_initialisation(network: nn.Module) -> None:
    """He et al. 2015 (`initialisation.kaiming`), and a bias of 1 before the last ReLU.

    At 0 it often dies within an epoch: once the last ReLU gives 0 everywhere, no gradient passes it. A bias
    that all classes share keeps it open, and is nothing to the softmax.
    """
    init.kaiming(network)
    *_, last = init.layers(network)
    if last.bias is not None:
        nn.init.ones_(last.bias)


def imagenet_initialisation(network: nn.Module) -> None:
    """`nin_imagenet`: N(0, 0.05^2), in three layers N(0, 0.01^2), biases 0."""
    init.gaussian(0.05)(network)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name in NARROW_START:
            nn.init.normal_(module.weight, std=NARROW_START[name])


def nin(num_classes: int = 1000, **options: Any) -> NIN:
    """NIN for ImageNet, 7,595,176 parameters; options as `NIN` takes them."""
    return NIN(num_classes, **options)


def nin_cifar10(num_classes: int = 10, **options: Any) -> NINCifar:
    """NIN for CIFAR-10, 966,986 parameters; options as `NINCifar` takes them."""
    return NINCifar(num_classes, **options)


LIN_2014 = Paper(
    "Lin, Chen and Yan",
    "Network In Network",
    "ICLR",
    2014,
    "https://arxiv.org/abs/1312.4400",
)

CARDS = (
    Card(nin, LIN_2014, depth=12),
    Card(nin_cifar10, LIN_2014, depth=9, error="10.41 %, CIFAR-10 test, no augmentation (table 1); 8.81 % with"),
)
