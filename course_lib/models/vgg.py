"""VGG (Simonyan & Zisserman 2015): table 1's configurations A, B, D and E, nothing but 3x3 convolutions.

Modules are named as torchvision's, whose weights load as they are. Batch normalisation (the `_bn` networks) came after
the paper; it stands between convolution and ReLU, and the convolutions keep biases that it makes useless, as there.

Notable: how the weights start decides whether these networks train at all. The paper trained A first and started the
others from its layers. Section 3.1 draws weights "with the zero mean and 10^-2 variance", a standard deviation of 0.1;
AlexNet's 0.01 is what most of its readers used. Signals grow in one and vanish in the other.

Form for small images (ours: the paper has none): all convolutions and pools, which leave 1 x 1 of 32 pixels, then the
three linear layers with 512 hidden channels in place of 4096. Inputs of the first linear layer are what the last pool
gives, not torchvision's 7 x 7, which of a 1 x 1 map would be 49 copies.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models import initialisation as init
from course_lib.models.card import Card, Paper
from course_lib.models.width import scaled

# Table 1: channels of the 3x3 convolutions, one tuple a stage; a 2x2 pool ends each stage.
CONFIGURATIONS = {
    "A": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "B": ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    "D": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    "E": ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512)),
}
SMALL_IMAGE = 64  # pixels: images up to this side get the small classifier


class VGG(nn.Module):
    """A column of table 1. Maps (N, 3, image_size, image_size) to logits (N, num_classes).

    configuration: "A" | "B" | "D" | "E".
    initialisation: "torchvision" (Kaiming in the convolutions, N(0, 0.01^2) in the linear layers), "kaiming" (in both),
    "naive" (N(0, 0.01^2) throughout, AlexNet's) or "paper" (N(0, 0.1^2) throughout, section 3.1); None takes
    torchvision's, for small images Kaiming's. Biases start at 0 in all.
    Raises CourseError for an unknown choice and for images below 32 pixels, which five pools leave nothing of.
    """

    def __init__(
        self,
        configuration: str,
        num_classes: int = 1000,
        *,
        image_size: int = 224,
        width: float = 1.0,
        batch_norm: bool = False,
        dropout: float = 0.5,
        initialisation: str | None = None,
    ) -> None:
        super().__init__()
        if configuration not in CONFIGURATIONS:
            raise CourseError(f"There is no VGG {configuration!r} here. Use one of: {', '.join(CONFIGURATIONS)}.")
        if image_size < 32:
            raise CourseError(f"VGG pools five times: images of {image_size} pixels leave nothing. Use 32 or more.")
        stages = tuple(tuple(scaled(count, width) for count in stage) for stage in CONFIGURATIONS[configuration])
        small = image_size <= SMALL_IMAGE
        side = image_size // 32 if small else 7
        hidden = scaled(512 if small else 4096, width)
        self.features = _features(stages, batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d(side)  # torchvision's: changes nothing at 224 pixels, fits others in
        self.classifier = nn.Sequential(
            nn.Linear(stages[-1][-1] * side * side, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )  # fmt: skip
        init.apply(INITIALISATIONS, initialisation or ("kaiming" if small else "torchvision"), self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _features(stages: tuple[tuple[int, ...], ...], batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    in_channels = 3
    for stage in stages:
        for channels in stage:
            layers.append(nn.Conv2d(in_channels, channels, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU())
            in_channels = channels
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def torchvision_initialisation(network: nn.Module) -> None:
    """Kaiming's in the convolutions, by what goes out (fan_out) and not what comes in; N(0, 0.01^2) in the others."""
    for layer in init.layers(network):
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        else:
            nn.init.normal_(layer.weight, std=0.01)
        init.zero_bias(layer)


INITIALISATIONS = {
    "torchvision": torchvision_initialisation,
    "kaiming": init.kaiming,
    "naive": init.gaussian(0.01),
    "paper": init.gaussian(0.1),
}


def vgg11(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration A, 132,863,336 parameters; options as `VGG` takes them."""
    return VGG("A", num_classes, **options)


def vgg11_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration A with batch normalisation, 132,868,840 parameters; options as `VGG` takes them."""
    return VGG("A", num_classes, batch_norm=True, **options)


def vgg13(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration B, 133,047,848 parameters; options as `VGG` takes them."""
    return VGG("B", num_classes, **options)


def vgg13_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration B with batch normalisation, 133,053,736 parameters; options as `VGG` takes them."""
    return VGG("B", num_classes, batch_norm=True, **options)


def vgg16(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration D, 138,357,544 parameters; options as `VGG` takes them."""
    return VGG("D", num_classes, **options)


def vgg16_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration D with batch normalisation, 138,365,992 parameters; options as `VGG` takes them."""
    return VGG("D", num_classes, batch_norm=True, **options)


def vgg19(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration E, 143,667,240 parameters; options as `VGG` takes them."""
    return VGG("E", num_classes, **options)


def vgg19_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """Configuration E with batch normalisation, 143,678,248 parameters; options as `VGG` takes them."""
    return VGG("E", num_classes, batch_norm=True, **options)


SIMONYAN_2015 = Paper(
    "Simonyan and Zisserman",
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "ICLR",
    2015,
    "https://arxiv.org/abs/1409.1556",
)
WEIGHTS = "https://download.pytorch.org/models/"
CONDITIONS = "ILSVRC-2012 validation, one network, one scale (table 3)"

CARDS = (
    Card(vgg11, SIMONYAN_2015, 11, f"top-5 10.4 %, {CONDITIONS}", WEIGHTS + "vgg11-8a719046.pth"),
    Card(vgg11_bn, SIMONYAN_2015, 11, weights=WEIGHTS + "vgg11_bn-6002323d.pth"),
    Card(vgg13, SIMONYAN_2015, 13, f"top-5 9.9 %, {CONDITIONS}", WEIGHTS + "vgg13-19584684.pth"),
    Card(vgg13_bn, SIMONYAN_2015, 13, weights=WEIGHTS + "vgg13_bn-abd245e5.pth"),
    Card(vgg16, SIMONYAN_2015, 16, f"top-5 8.1 %, {CONDITIONS}", WEIGHTS + "vgg16-397923af.pth"),
    Card(vgg16_bn, SIMONYAN_2015, 16, weights=WEIGHTS + "vgg16_bn-6c64b313.pth"),
    Card(vgg19, SIMONYAN_2015, 19, f"top-5 8.0 %, {CONDITIONS}", WEIGHTS + "vgg19-dcbb9e9d.pth"),
    Card(vgg19_bn, SIMONYAN_2015, 19, weights=WEIGHTS + "vgg19_bn-c79401a0.pth"),
)
