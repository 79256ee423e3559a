"""Stand-ins for what the figures draw."""

from __future__ import annotations

import torch

from course_lib.data.images import ImageSet
from course_lib.history import Epoch, History

CLASSES = ("airplane", "automobile", "bird", "cat")


def image_set(count: int = 8, *, is_miniature: bool = False) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    source = "miniature" if is_miniature else "CIFAR-10"
    return ImageSet(images, torch.arange(count) % len(CLASSES), CLASSES, source, is_miniature)


def history(errors: tuple[float, ...] = (0.6, 0.4, 0.2), *, is_miniature: bool = False, test: bool = True) -> History:
    epochs = tuple(
        Epoch(number, 2 * error, error, 2.2 * error if test else None, 1.1 * error if test else None, 0.1, 5.0)
        for number, error in enumerate(errors, start=1)
    )
    return History("network", "CIFAR-10", is_miniature, "smoke", 0, epochs)
