"""Labelled images in memory: what every lesson trains on, tests on and draws.

CIFAR-10 is 184 MB as bytes, so a whole data set is two tensors. A subset, a long tail or a set with wrong labels is
again an `ImageSet`, made by indexing or by `dataclasses.replace`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, overload

import torch
from torch import Tensor

from course_lib.errors import CourseError

MINIATURE_SENTENCE = (
    "These are not photographs: this is the miniature, simple pictures drawn by the course because it found no copy "
    "of the data set. Everything works, but no accuracy made on it says anything about the real one."
)


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, of pixels scaled to [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, images: Tensor) -> Normalisation:
        """Computed in one pass over uint8 images (N, C, H, W), exactly: by counting how often each value occurs."""
        if images.numel() == 0:
            raise CourseError("There is no picture to compute a mean and a standard deviation from.")
        counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in images.unbind(1)])
        counts = counts.cpu().double()
        share = counts / counts.sum(1, keepdim=True)
        values = torch.arange(256, dtype=torch.float64) / 255
        mean = share @ values
        std = (share * (values - mean[:, None]) ** 2).sum(1).sqrt()
        # A channel that never varies is only centred: dividing by 0 would help nobody.
        std[std == 0] = 1.0
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def apply(self, images: Tensor) -> Tensor:
        """(..., C, H, W), uint8 or float in [0, 1] -> float32 with mean 0 and standard deviation 1 a channel."""
        scale, shift = self.factors(images.device)
        if not images.is_floating_point():
            return images.float().mul_(scale / 255).add_(shift)
        return torch.addcmul(shift, images.float(), scale)

    def undo(self, images: Tensor) -> Tensor:
        """The inverse: normalised (..., C, H, W) -> float32 pixels in [0, 1]."""
        scale, shift = self.factors(images.device)
        return (images.float() - shift) / scale

    def factors(self, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """`scale`, `shift` (C, 1, 1) such that `pixels * scale + shift` is normalised, for pixels in [0, 1]."""
        mean = torch.tensor(self.mean, dtype=torch.float64)
        std = torch.tensor(self.std, dtype=torch.float64)
        scale, shift = (1 / std).float(), (-mean / std).float()
        return scale.view(-1, 1, 1).to(device), shift.view(-1, 1, 1).to(device)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with labels.

    images: uint8 (N, 3, H, W). labels: int64 (N,), indices into `classes`.
    source: where they came from, in words. is_miniature: drawn by the course, not photographs.
    Raises CourseError where these do not fit together.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    is_miniature: bool = False

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise CourseError(
                f"An ImageSet holds uint8 images of shape (N, 3, H, W); these are {self.images.dtype} of shape "
                f"{tuple(self.images.shape)}."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise CourseError(
                f"An ImageSet of {len(self.images)} images needs int64 labels of shape ({len(self.images)},); these "
                f"are {self.labels.dtype} of shape {tuple(self.labels.shape)}."
            )
        if self.labels.numel() and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise CourseError(
                f"Labels must lie between 0 and {len(self.classes) - 1} for {len(self.classes)} classes; these lie "
                f"between {int(self.labels.min())} and {int(self.labels.max())}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, int]: ...
    @overload
    def __getitem__(self, index: slice | Tensor | Sequence[int]) -> ImageSet: ...
    def __getitem__(self, index: int | slice | Tensor | Sequence[int]) -> ImageSet | tuple[Tensor, int]:
        """A slice, an index tensor (M,) or a mask (N,) gives a smaller set; an int the pair (image, label)."""
        if isinstance(index, int):
            return self.images[index], int(self.labels[index])
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.labels.device)
        return replace(self, images=self.images[index], labels=self.labels[index])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[2], self.images.shape[3]

    @cached_property
    def normalisation(self) -> Normalisation:
        """Of these images; normalise a test set with that of its training set."""
        return Normalisation.of(self.images)

    def to(self, device: torch.device | str) -> ImageSet:
        """The same images on another device: batches are then made there, without copying each from the CPU."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def class_counts(self) -> Tensor:
        """How many images each class has, int64 (C,)."""
        return torch.bincount(self.labels, minlength=len(self.classes))

    def take(self, count: int | None, seed: int = 0) -> ImageSet:
        """A random subset with the classes as even as they can be, classes mixed; None, or more than there are: all.

        The same seed gives the same images on every machine, and a smaller `count` a beginning of a larger one.
        Raises CourseError for a count below 1.
        """
        if count is not None and count < 1:
            raise CourseError(f"take({count}) asks for no image at all. Ask for 1 or more, or None for all.")
        if count is None or count >= len(self):
            return self
        generator = torch.Generator().manual_seed(seed)
        shuffled = torch.randperm(len(self), generator=generator)
        labels = self.labels.cpu()[shuffled]
        by_class = labels.argsort(stable=True)
        counts = torch.bincount(labels, minlength=len(self.classes))
        first_of_class = (counts.cumsum(0) - counts)[labels[by_class]]
        # Images are dealt in rounds, one of each class a round, the classes of a round in random order.
        rounds = torch.empty(len(self), dtype=torch.int64)
        rounds[by_class] = torch.arange(len(self)) - first_of_class
        return self[shuffled[rounds.argsort(stable=True)[:count]].to(self.labels.device)]

    def __repr__(self) -> str:
        height, width = self.image_size
        text = f"{self.source}: {len(self):,} images of {height}x{width} in {len(self.classes)} classes"
        return f"{text}\n{MINIATURE_SENTENCE}" if self.is_miniature else text

    def _repr_html_(self) -> str:
        height, width = self.image_size
        cells = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{count:,}</td></tr>"
            for name, count in zip(self.classes, self.class_counts().tolist(), strict=True)
        )
        return (
            f"{miniature_notice() if self.is_miniature else ''}"
            f"<p><b>{html.escape(self.source)}</b>: {len(self):,} images of {height}x{width} pixels, 3 channels, in "
            f"{len(self.classes)} classes ({self.images.numel() / 1e6:.1f} MB as bytes)</p>"
            f"<details><summary>Images of each class</summary><table><thead><tr><th style='text-align:left'>class</th>"
            f"<th>images</th></tr></thead><tbody>{cells}</tbody></table></details>"
        )


def miniature_notice() -> str:
    """The box, as HTML, that stands above everything made on the miniature."""
    # Border and text take the page's own text colour, so it reads in a light and in a dark theme.
    return (
        "<div role='note' style='border:3px solid currentColor;border-radius:6px;padding:.6em 1em;margin:.5em 0'>"
        f"<b>MINIATURE.</b> {html.escape(MINIATURE_SENTENCE)} To use the real CIFAR-10: connect to the network, or set "
        "the environment variable <code>COURSE_CIFAR10</code> to your copy; then restart the kernel.</div>"
    )


class Splits(NamedTuple):
    """The two halves of a data set: what networks learn from, and what they are tested on."""

    train: ImageSet
    test: ImageSet
