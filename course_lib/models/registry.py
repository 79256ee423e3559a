"""Every network of the course by name.

A topic's file ends in its `CARDS`; adding it to `TOPICS` makes its networks known to `build`, `names` and `card`.
"""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

# CARDS by name, not by module: `course_lib.models.alexnet` is the factory once that is loaded, as in torchvision.
from course_lib.errors import CourseError
from course_lib.models.alexnet import CARDS as ALEXNET
from course_lib.models.card import Card
from course_lib.models.cifar_resnet import CARDS as CIFAR_RESNET
from course_lib.models.googlenet import CARDS as GOOGLENET
from course_lib.models.mobilenet import CARDS as MOBILENET
from course_lib.models.nin import CARDS as NIN
from course_lib.models.preresnet import CARDS as PRERESNET
from course_lib.models.resnet import CARDS as RESNET
from course_lib.models.resnext import CARDS as RESNEXT
from course_lib.models.stochastic_depth import CARDS as STOCHASTIC_DEPTH
from course_lib.models.vgg import CARDS as VGG
from course_lib.models.weights import load_imagenet_weights
from course_lib.models.zfnet import CARDS as ZFNET

TOPICS = (
    ALEXNET,
    ZFNET,
    VGG,
    NIN,
    GOOGLENET,
    RESNET,
    CIFAR_RESNET,
    PRERESNET,
    RESNEXT,
    STOCHASTIC_DEPTH,
    MOBILENET,
)
CARDS: dict[str, Card] = {card.name: card for topic in TOPICS for card in topic}


def names() -> tuple[str, ...]:
    """The names that `build` takes, in the order of the lectures."""
    return tuple(CARDS)


def card(name: str) -> Card:
    """Factory, paper, depth and reported error of a network. Raises CourseError for an unknown name."""
    if name in CARDS:
        return CARDS[name]
    near = difflib.get_close_matches(name.lower(), CARDS, n=3, cutoff=0.4)
    hint = f"The nearest: {', '.join(near)}." if near else f"There are: {', '.join(CARDS)}."
    raise CourseError(f"There is no network {name!r}. {hint} models.names() lists all.")


def build(
    name: str,
    *,
    num_classes: int | None = None,
    image_size: int | None = None,
    width: float = 1.0,
    weights: str | None = None,
    **options: Any,
) -> nn.Module:
    """The network called `name`, in training mode as every new module.

    num_classes, image_size: None leaves the paper's, 1000 classes of 224 x 224 pixels, or 10 of 32 x 32 for networks
    that were made for CIFAR-10. At image_size=32 every network has its form for small images.
    width: factor on the channels. options: the factory's own, as in `build("alexnet", activation="tanh")`.
    weights: "imagenet" loads torchvision's, for the networks that it has.
    Raises CourseError for an unknown name, option or value, and where the weights cannot be had.
    """
    entry = card(name)
    sizes = {"num_classes": num_classes, "image_size": image_size}
    given = {option: value for option, value in sizes.items() if value is not None}
    if weights is not None:
        options = {**entry.weights_options, **options}
    try:
        network = entry.factory(width=width, **given, **options)
    except TypeError as error:
        raise CourseError(f"{name} cannot be built so: {error}. help(models.{name}) says what it takes.") from error
    if weights is not None:
        load_imagenet_weights(network, entry, weights)
    return network
