"""AlexNet (Krizhevsky et al. 2012), its one-tower sequel (2014), and the small network of the paper's figure 1.

The paper splits the network over two GPUs. The halves meet in convolution 3 and in the linear layers only, which is
what `groups=2` in convolutions 2, 4 and 5 says: one network, the same function, the same 60,965,224 parameters.

Notable: the paper's 224 pixels give its 55 x 55 outputs only with a padding of 2; 227 pixels would without.

Form for small images (ours: the paper has no eight-layer network for CIFAR): the same eight layers, groups,
normalisation and pooling, but a first convolution of 5x5 and stride 1, since 11x11 and stride 4 would leave 6 x 6
of 32 x 32 pixels. 32 pixels become 16, 8 and 4, and the first linear layer sees 256 x 4 x 4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models.card import Card, Paper
from course_lib.models.initialisation import kaiming
from course_lib.models.local_response_norm import LocalResponseNorm
from course_lib.models.width import scaled

T = TypeVar("T")

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
# First convolution: kernel, stride, padding.
STEM = (11, 4, 2)
SMALL_STEM = (5, 1, 2)
SMALL_IMAGE = 64  # pixels: images up to this side get the small stem


class AlexNet(nn.Module):
    """The network of the paper's figure 2. Maps (N, 3, image_size, image_size) to logits (N, num_classes).

    activation ("relu" | "tanh"), lrn, overlapping_pooling and dropout each undo one idea of the paper (sections 3.1,
    3.3, 3.4 and 4.2) and keep everything else: sizes, parameters and their names.
    initialisation: "paper" is section 5's, "kaiming" He et al. 2015; None takes Kaiming's for small images only.
    Raises CourseError for an unknown choice and for images too small for three poolings.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        image_size: int = 224,
        width: float = 1.0,
        activation: str = "relu",
        lrn: bool = True,
        overlapping_pooling: bool = True,
        dropout: float = 0.5,
        initialisation: str | None = None,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(channels, width) for channels in (96, 256, 384, 384, 256))
        hidden = scaled(4096, width)
        kernel, stride, padding = stem = _stem(image_size)
        act = _choose(ACTIVATIONS, "activation", activation)
        norm = LocalResponseNorm if lrn else nn.Identity

        def pool() -> nn.Module:
            # Either kind halves the side, rounding down: 3.4 compares outputs of equal size.
            return nn.MaxPool2d(3, 2, ceil_mode=True) if overlapping_pooling else nn.MaxPool2d(2, 2)

        self.features = _named(
            conv1=nn.Conv2d(3, c1, *stem), act1=act(), norm1=norm(), pool1=pool(),
            conv2=nn.Conv2d(c1, c2, 5, padding=2, groups=2), act2=act(), norm2=norm(), pool2=pool(),
            conv3=nn.Conv2d(c2, c3, 3, padding=1), act3=act(),
            conv4=nn.Conv2d(c3, c4, 3, padding=1, groups=2), act4=act(),
            conv5=nn.Conv2d(c4, c5, 3, padding=1, groups=2), act5=act(), pool5=pool(),
        )  # fmt: skip
        side = ((image_size + 2 * padding - kernel) // stride + 1) // 8
        if side < 1:
            raise CourseError(
                f"AlexNet pools three times: images of {image_size} pixels leave nothing. Use 32 or more."
            )
        # Dropout on the outputs of the first two linear layers (section 4.2); torchvision has it on the inputs.
        self.classifier = _named(
            fc6=nn.Linear(c5 * side * side, hidden), act6=act(), drop6=nn.Dropout(dropout),
            fc7=nn.Linear(hidden, hidden), act7=act(), drop7=nn.Dropout(dropout),
            fc8=nn.Linear(hidden, num_classes),
        )  # fmt: skip
        default = "kaiming" if image_size <= SMALL_IMAGE else "paper"
        _choose(INITIALISATIONS, "initialisation", initialisation or default)(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class AlexNetOneTower(nn.Module):
    """AlexNet as torchvision has it, after "One weird trick": one tower, 64 and 192 channels first, no normalisation.

    Modules are named as torchvision's, and dropout is on the inputs of the linear layers as there.
    Maps (N, 3, image_size, image_size) to logits (N, num_classes).
    """

    def __init__(
        self, num_classes: int = 1000, *, image_size: int = 224, width: float = 1.0, dropout: float = 0.5
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(channels, width) for channels in (64, 192, 384, 256, 256))
        hidden = scaled(4096, width)
        side = 3 if image_size <= SMALL_IMAGE else 6
        self.features = nn.Sequential(
            nn.Conv2d(3, c1, *_stem(image_size)), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(c1, c2, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(c2, c3, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c3, c4, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c4, c5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(c5 * side * side, hidden), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, num_classes),
        )  # fmt: skip
        if image_size <= SMALL_IMAGE:
            kaiming(self)  # without normalisation, larger logits at the start send a few seeds to infinity

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class FourLayers(nn.Module):
    """The small network for the paper's figure 1: how fast it learns with ReLU and with tanh.

    The paper says "a four-layer convolutional neural network" on CIFAR-10 with "no regularization of any kind", and
    no more. This is the one with four learned layers and no normalisation among cuda-convnet's published definitions
    (`layers-19pct.cfg`): three convolutions of 5x5, one linear layer, the first pool a maximum, then averages. That
    figure 1 means it is our reading. Ours too: Kaiming initialisation, where the file starts from N(0, 0.0001^2).
    Maps (N, 3, image_size, image_size) to logits (N, num_classes).
    """

    def __init__(
        self, num_classes: int = 10, *, image_size: int = 32, width: float = 1.0, activation: str = "relu"
    ) -> None:
        super().__init__()
        c1, c2, c3 = (scaled(channels, width) for channels in (32, 32, 64))
        act = _choose(ACTIVATIONS, "activation", activation)
        self.features = _named(
            conv1=nn.Conv2d(3, c1, 5, padding=2), act1=act(), pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
            conv2=nn.Conv2d(c1, c2, 5, padding=2), act2=act(), pool2=nn.AvgPool2d(3, 2, ceil_mode=True),
            conv3=nn.Conv2d(c2, c3, 5, padding=2), act3=act(), pool3=nn.AvgPool2d(3, 2, ceil_mode=True),
        )  # fmt: skip
        side = image_size // 8
        self.classifier = _named(fc4=nn.Linear(c3 * side * side, num_classes))
        kaiming_initialisation(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def paper_initialisation(network: nn.Module) -> None:
    """Section 5: weights from N(0, 0.01^2); biases 1 in convolutions 2, 4, 5 and the hidden linear layers, else 0."""
    for name, weight, bias in _layers(network):
        nn.init.normal_(weight, std=0.01)
        nn.init.constant_(bias, float(name in ("conv2", "conv4", "conv5", "fc6", "fc7")))


def kaiming_initialisation(network: nn.Module) -> None:
    """He et al. 2015, section 2.2: each layer keeps the variance of its input, whatever its width. Biases 0."""
    for _, weight, bias in _layers(network):
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
        nn.init.zeros_(bias)


INITIALISATIONS = {"paper": paper_initialisation, "kaiming": kaiming_initialisation}


def _layers(network: nn.Module) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, weight and bias of each layer that learns."""
    for path, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            yield path.rpartition(".")[2], module.weight, module.bias


def _stem(image_size: int) -> tuple[int, int, int]:
    return SMALL_STEM if image_size <= SMALL_IMAGE else STEM


def _named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def _choose(choices: Mapping[str, T], what: str, name: str) -> T:
    if name not in choices:
        raise CourseError(f"There is no {what} {name!r} here. Use one of: {', '.join(choices)}.")
    return choices[name]


def alexnet(num_classes: int = 1000, **options: Any) -> AlexNet:
    """AlexNet of 2012, 60,965,224 parameters; options as `AlexNet` takes them."""
    return AlexNet(num_classes, **options)


def alexnet_owt(num_classes: int = 1000, **options: Any) -> AlexNetOneTower:
    """AlexNet of 2014 as torchvision has it, 61,100,840 parameters; options as `AlexNetOneTower` takes them."""
    return AlexNetOneTower(num_classes, **options)


def alexnet_four_layer(num_classes: int = 10, **options: Any) -> FourLayers:
    """The network for figure 1, 89,578 parameters; options as `FourLayers` takes them."""
    return FourLayers(num_classes, **options)


KRIZHEVSKY_2012 = Paper(
    "Krizhevsky, Sutskever and Hinton",
    "ImageNet Classification with Deep Convolutional Neural Networks",
    "NeurIPS",
    2012,
    "https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
)
KRIZHEVSKY_2014 = Paper(
    "Krizhevsky",
    "One weird trick for parallelizing convolutional neural networks",
    "arXiv",
    2014,
    "https://arxiv.org/abs/1404.5997",
)

CARDS = (
    Card(alexnet, KRIZHEVSKY_2012, depth=8, error="top-5 18.2 %, ILSVRC-2012 validation, one network (table 2)"),
    Card(
        alexnet_owt,
        KRIZHEVSKY_2014,
        depth=8,
        weights="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    ),
    Card(alexnet_four_layer, KRIZHEVSKY_2012, depth=4),
)
