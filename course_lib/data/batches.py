"""Batches made from whole tensors: shuffled, cropped, flipped and normalised a batch at once, on the device.

The usual way takes images one by one through Python objects in worker processes. Here an epoch draws all its random
numbers first, from (seed, epoch) alone, and a batch is a few tensor operations. So the same images come out of any
number of processes, and no worker is ever the bottleneck. `benchmarks/batches.py` measures the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.data.images import ImageSet, Normalisation
from course_lib.errors import CourseError


@dataclass(frozen=True)
class Augmentation:
    """What to vary at random; the defaults are those of He et al. 2016, section 4.2.

    padding: zeros on each side before cropping back to size, in pixels. flip: mirror half of the images.
    cutout: side of the square of zeros put at a random place, in pixels (DeVries & Taylor 2017 use 16); 0 for none.
    """

    padding: int = 4
    flip: bool = True
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.padding < 0 or self.cutout < 0:
            raise CourseError(f"Padding and cutout are pixels, 0 or more: {self}.")


def random_crop(
    images: Tensor, offsets: Tensor, size: int | tuple[int, int] | None = None, *, padding: int = 0
) -> Tensor:
    """A window of each image (N, C, H, W), after padding with zeros on all four sides -> (N, C, *size).

    offsets: int64 (N, 2), row and column of the window's first pixel in the padded image; the caller draws them.
    size: of the window, one number for a square; by default H x W.
    Raises CourseError for a window that does not fit, or sticks out.
    """
    height, width = images.shape[2:]
    window = torch.tensor((size, size) if isinstance(size, int) else size or (height, width))
    room = torch.tensor((height, width)) + 2 * padding - window
    if (room < 0).any() or (offsets < 0).any() or (offsets.cpu() > room).any():
        raise CourseError(
            f"Some window of {window[0]}x{window[1]} pixels sticks out of its image of {height}x{width} padded by "
            f"{padding}: offsets must lie between 0 and {tuple(room.tolist())}."
        )
    return _crop_and_flip(images, offsets, None, size, padding)


def flip(images: Tensor, mask: Tensor) -> Tensor:
    """The images (N, C, H, W) with those marked in `mask`, bool (N,), mirrored left to right."""
    return torch.where(mask.view(-1, 1, 1, 1), images.flip(-1), images)


def cutout(images: Tensor, centres: Tensor, size: int) -> Tensor:
    """The images (N, C, H, W) with a square of zeros in each; what sticks out over the border is lost.

    centres: int64 (N, 2), row and column; the square begins `size // 2` before them. Source: DeVries & Taylor 2017,
    section 3.1. Cut after normalising, where zero is the mean.
    """
    first = centres - size // 2
    rows = _inside(first[:, 0], size, images.shape[2])
    columns = _inside(first[:, 1], size, images.shape[3])
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def _inside(first: Tensor, size: int, length: int) -> Tensor:
    """(N, length): whether a place lies in the `size` places from `first` (N,)."""
    places = torch.arange(length, device=first.device)
    return (places >= first[:, None]) & (places < first[:, None] + size)


def _crop_and_flip(
    images: Tensor, offsets: Tensor, mirrored: Tensor | None, size: int | tuple[int, int] | None, padding: int
) -> Tensor:
    """Windows, those in `mirrored` read from right to left: one gather does both."""
    count, channels, height, width = images.shape
    rows, columns = (size, size) if isinstance(size, int) else size or (height, width)
    padded = F.pad(images, [padding] * 4).flatten(2) if padding else images.flatten(2)
    row = offsets[:, :1] + torch.arange(rows, device=images.device)
    column = offsets[:, 1:] + torch.arange(columns, device=images.device)
    if mirrored is not None:
        column = torch.where(mirrored[:, None], column.flip(1), column)
    places = row[:, :, None] * (width + 2 * padding) + column[:, None, :]
    places = places.view(count, 1, rows * columns).expand(-1, channels, -1)
    return padded.gather(2, places).view(count, channels, rows, columns)


@dataclass(frozen=True)
class _Draw:
    """All that is random in one epoch: drawn on the CPU, so that every device and process sees the same."""

    order: Tensor  # int64 (M,), which image stands where
    offsets: Tensor  # int64 (M, 2)
    mirrored: Tensor  # bool (M,)
    centres: Tensor  # int64 (M, 2)


@dataclass(frozen=True, eq=False)
class Batches:
    """One epoch over an `ImageSet`; see `batches`. Each `for` over it gives the same batches again."""

    images: ImageSet
    batch_size: int
    normalisation: Normalisation
    augmentation: Augmentation | None
    shuffle: bool
    seed: int
    epoch: int
    device: torch.device
    channels_last: bool
    drop_last: bool
    rank: int
    world_size: int
    weights: Tensor | None

    def __len__(self) -> int:
        """Batches in the epoch, the same for every rank."""
        return len(self.images) // self.batch_size if self.drop_last else -(-len(self.images) // self.batch_size)

    def sizes(self) -> list[int]:
        """Images in each batch, of all ranks together."""
        return [min(self.batch_size, len(self.images) - i * self.batch_size) for i in range(len(self))]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        draw = self._draw()
        scale, shift = self.normalisation.factors(self.device)
        scale = scale / 255
        for number, size in enumerate(self.sizes()):
            begin = number * self.batch_size
            here = slice(begin + size * self.rank // self.world_size, begin + size * (self.rank + 1) // self.world_size)
            yield self._batch(draw, here, scale, shift)

    def _draw(self) -> _Draw:
        count, (height, width) = len(self.images), self.images.image_size
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
        if self.weights is not None:
            order = torch.multinomial(self.weights.double().cpu(), count, replacement=True, generator=generator)
        elif self.shuffle:
            order = torch.randperm(count, generator=generator)
        else:
            order = torch.arange(count)
        places = 2 * self.augmentation.padding + 1 if self.augmentation else 1
        return _Draw(
            order,
            offsets=torch.randint(places, (count, 2), generator=generator),
            mirrored=torch.rand(count, generator=generator) < 0.5,
            centres=(torch.rand(count, 2, generator=generator) * torch.tensor([height, width])).long(),
        )

    def _batch(self, draw: _Draw, here: slice, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        order = draw.order[here].to(self.images.images.device)
        # index_select copies image by image; x[order] would go pixel by pixel, ten times slower on a CPU.
        x = self.images.images.index_select(0, order).to(self.device, non_blocking=True)
        y = self.images.labels.index_select(0, order).to(self.device, non_blocking=True)
        vary = self.augmentation
        if vary is not None and (vary.padding or vary.flip):
            mirrored = draw.mirrored[here].to(self.device) if vary.flip else None
            x = _crop_and_flip(x, draw.offsets[here].to(self.device), mirrored, self.images.image_size, vary.padding)
        x = x.float().mul_(scale).add_(shift)
        if vary is not None and vary.cutout:
            x = cutout(x, draw.centres[here].to(self.device), vary.cutout)
        return (x.contiguous(memory_format=torch.channels_last) if self.channels_last else x), y


def batches(
    images: ImageSet,
    batch_size: int,
    *,
    normalisation: Normalisation | None = None,
    augmentation: Augmentation | None = None,
    shuffle: bool = False,
    seed: int = 0,
    epoch: int = 0,
    device: torch.device | str = "cpu",
    channels_last: bool = False,
    drop_last: bool = False,
    rank: int = 0,
    world_size: int = 1,
    weights: Tensor | None = None,
) -> Batches:
    """One epoch of batches: `for x, y in batches(train, 128, shuffle=True, epoch=3)`, with `len()`.

    x: float32 (B, 3, H, W), normalised (by default with the images' own mean and standard deviation). y: int64 (B,).
    Both on `device`. The same (seed, epoch) gives the same batches, bit for bit.

    rank, world_size: this process gets its part of every batch: exactly the images, crops and flips that one process
    alone would have in those places. Parts differ by at most one image; where the last batch has fewer images than
    there are processes, some parts are empty.
    weights: (N,), draw with replacement, an image as often as its weight says, in place of shuffling.
    Raises CourseError for sizes or weights that make no sense.
    """
    if batch_size < 1:
        raise CourseError(f"A batch holds at least 1 image; batch_size is {batch_size}.")
    if not 0 <= rank < world_size:
        raise CourseError(f"There is no process {rank} of {world_size}: ranks count from 0.")
    if weights is not None and (weights.shape != images.labels.shape or not _are_weights(weights)):
        raise CourseError(
            f"Weights are one finite number for each of the {len(images)} images, none below 0 and not all 0; "
            f"these have shape {tuple(weights.shape)}."
        )
    return Batches(
        images,
        batch_size,
        normalisation or images.normalisation,
        augmentation,
        shuffle,
        seed,
        epoch,
        torch.device(device),
        channels_last,
        drop_last,
        rank,
        world_size,
        weights,
    )


def _are_weights(weights: Tensor) -> bool:
    return bool(torch.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0)
