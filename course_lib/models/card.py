"""What the registry knows of a network besides how to build it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Paper:
    """Where a network was published."""

    authors: str
    title: str
    venue: str
    year: int
    url: str

    @property
    def short(self) -> str:
        """As "He et al., CVPR 2016"."""
        first, *others = re.split(", | and ", self.authors)
        who = f"{first} et al." if len(others) > 1 else self.authors
        return f"{who}, {self.venue} {self.year}"

    def __str__(self) -> str:
        return f"{self.authors}: {self.title}. {self.venue} {self.year}. {self.url}"


@dataclass(frozen=True)
class Card:
    """One entry of the registry: each file of networks ends in a tuple of these, `CARDS`.

    factory: called with `num_classes`, `image_size`, `width` and its own options, all with defaults.
    depth: layers with weights from input to output, as the paper counts them.
    error: the error that the paper reports, with its conditions; None where it reports none for this network.
    weights: address of torchvision's ImageNet weights, whose file name ends in the first digits of its SHA-256.
    weights_options: what the factory must be given for these weights to mean what they did in training.
    """

    factory: Callable[..., nn.Module]
    paper: Paper
    depth: int
    error: str | None = None
    weights: str | None = None
    weights_options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return self.factory.__name__

    @property
    def image_size(self) -> int:
        """Side in pixels of the images that the network was made for: 32 for those of ten classes, CIFAR-10's."""
        return 32 if inspect.signature(self.factory).parameters["num_classes"].default == 10 else 224
