"""evaluate and predict: what a network answers to images, and what of it is right, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.batches import batches
from course_lib.data.images import ImageSet, Normalisation
from course_lib.errors import CourseError
from course_lib.machine import Place, Precision

# Nothing is kept for a backward pass, so more images fit at once.
BATCH_SIZE = 512


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's answers to a set of images.

    logits: float32 (N, C). labels: int64 (N,). classes: C names. source, is_miniature: the images' (`ImageSet.source`).
    """

    logits: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    is_miniature: bool = False

    @cached_property
    def loss(self) -> float:
        """Mean cross-entropy in nats, without label smoothing."""
        return F.cross_entropy(self.logits, self.labels).item()

    @cached_property
    def predictions(self) -> Tensor:
        """The class with the largest logit, int64 (N,)."""
        return self.logits.argmax(dim=1)

    @cached_property
    def accuracy(self) -> float:
        """Fraction of images whose prediction is their label, in [0, 1]."""
        return (self.predictions == self.labels).double().mean().item()

    @property
    def error(self) -> float:
        """1 - accuracy: the lecture's top-1 error, fraction in [0, 1]."""
        return 1 - self.accuracy

    @cached_property
    def top5_accuracy(self) -> float:
        """Fraction of images whose label is among the five largest logits (all of them where C < 5)."""
        best = self.logits.topk(min(5, self.logits.shape[1]), dim=1).indices
        return (best == self.labels[:, None]).any(dim=1).double().mean().item()

    @cached_property
    def confusion(self) -> Tensor:
        """int64 (C, C): row i, column j counts images of class i that were taken for class j."""
        count = len(self.classes)
        return torch.bincount(self.labels * count + self.predictions, minlength=count * count).reshape(count, count)

    @cached_property
    def class_accuracy(self) -> dict[str, float]:
        """Accuracy on the images of each class, in [0, 1]; NaN for a class without images."""
        right = self.confusion.diag() / self.confusion.sum(dim=1)
        return dict(zip(self.classes, right.tolist(), strict=True))

    def __repr__(self) -> str:
        source = f"{self.source} (drawn pictures, no photographs)" if self.is_miniature else self.source
        return (
            f"{len(self.labels)} images of {source}: accuracy {100 * self.accuracy:.1f} %, "
            f"top-5 accuracy {100 * self.top5_accuracy:.1f} %, loss {self.loss:.3f}"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{'–' if value != value else f'{100 * value:.1f} %'}</td></tr>"
            for name, value in list(self.class_accuracy.items())[:20]
        )
        head = "<tr><th scope='col'>class</th><th scope='col'>accuracy</th></tr>"
        return f"<table><caption>{escape(repr(self))}</caption>{head}{rows}</table>"


def evaluate(network: nn.Module, images: ImageSet, **options: Any) -> Evaluation:
    """What `network` answers to `images`, and how often that is right. `options` are those of `predict`.

    Right after `fit` on one process, its accuracy is `history.test_accuracy`.
    """
    logits = predict(network, images, **options)
    return Evaluation(logits, images.labels.cpu(), images.classes, images.source, images.is_miniature)


@torch.inference_mode()
def predict(
    network: nn.Module,
    images: ImageSet,
    *,
    batch_size: int = BATCH_SIZE,
    normalisation: Normalisation | None = None,
    precision: Precision = "auto",
    channels_last: bool | Literal["auto"] = "auto",
    device: str | torch.device = "auto",
) -> Tensor:
    """The logits of `network` for `images`, float32 (N, C) on the CPU, dropout off.

    normalisation: unless given, the one that `fit` trained `network` with, else the images' own.
    Under `accelerate launch` every process computes all of them. Leaves the network in eval mode where it was.
    Raises CourseError where the network does not take these images.
    """
    place = Place.choose(network, device, precision, channels_last)
    if normalisation is None:
        normalisation = getattr(network, "training_normalisation", None) or images.normalisation
    share = batches(
        images, batch_size, normalisation=normalisation, device=place.device, channels_last=place.channels_last
    )
    with place.holding(network):
        check_takes(network, images, normalisation, place)
        network.eval()
        with place.autocast():
            return torch.cat([scores(network(batch)).cpu() for batch, _ in share])


def check_takes(network: nn.Module, images: ImageSet, normalisation: Normalisation, place: Place) -> None:
    """Raise CourseError unless `network`, in eval mode, maps these images to one score a class."""
    name, shape = type(network).__name__, tuple(images.images.shape[1:])
    few = batches(images[:2], 2, normalisation=normalisation, device=place.device, channels_last=place.channels_last)
    network.eval()
    try:
        with torch.no_grad(), place.autocast():
            logits = scores(network(next(iter(few))[0]))
    except NotImplementedError:
        raise
    except RuntimeError as error:
        raise CourseError(
            f"{name} does not take images of shape {shape}: {str(error).splitlines()[0]}. "
            f"Build it for this size, as in models.build(..., image_size={shape[-1]}), or give it other images."
        ) from error
    if tuple(logits.shape) != (min(2, len(images)), len(images.classes)):
        raise CourseError(
            f"{name} maps {min(2, len(images))} images to shape {tuple(logits.shape)}, but {images.source} has "
            f"{len(images.classes)} classes and needs (N, {len(images.classes)}). "
            f"Build it with num_classes={len(images.classes)}."
        )


def scores(outputs: Any) -> Tensor:
    """The class scores in float32: of several outputs the first, as in torchvision's networks with auxiliary heads."""
    return (outputs if isinstance(outputs, Tensor) else outputs[0]).float()
