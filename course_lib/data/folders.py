"""What the loaders of the large data sets share: find the folder or draw the miniature, read a picture, read rows.

Those data sets cannot be downloaded on the spot, so each is looked for in a folder that an environment variable names;
without one, a miniature in the same official layout is drawn into the cache and read by the very same loader.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from course_lib.data.images import ImageSet
from course_lib.errors import CourseError

MINIATURE_MARKER = "MINIATURE.txt"


@dataclass(frozen=True)
class Found:
    """A folder to read, and whether it holds the real data set or our drawn miniature of it."""

    folder: Path
    is_miniature: bool

    def source(self, name: str) -> str:
        """Words for people: "Open Images" or "miniature of Open Images (drawn, not photographed)"."""
        return f"miniature of {name} (drawn, not photographed)" if self.is_miniature else name


def find(folder: str | Path | None, variable: str, miniature: Callable[[Path], None], *, version: str) -> Found:
    """`folder`, else the folder that the environment variable names, else the miniature, drawn once into the cache.

    version: name of the miniature's folder in the cache; change it when the drawing changes.
    Raises CourseError where a named folder does not exist.
    """
    named = folder if folder is not None else os.environ.get(variable)
    if named:
        path = Path(named).expanduser()
        if not path.is_dir():
            where = "given" if folder is not None else f"named by the environment variable {variable}"
            raise CourseError(f"There is no folder {path} ({where}). Correct it, or leave it out to use the miniature.")
        return Found(path, is_miniature=(path / MINIATURE_MARKER).exists())
    return Found(_drawn_once(miniature, version), is_miniature=True)


def _drawn_once(miniature: Callable[[Path], None], version: str) -> Path:
    from course_lib.data import cache

    target = cache.writable_folder() / "miniatures" / version
    if target.is_dir():
        return target
    unfinished = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(exist_ok=True)
        with cache.lock(target):
            if not target.is_dir():  # else another process was quicker, and drew the same
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                miniature(unfinished)
                unfinished.rename(target)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise cache.disk_full(target.parent) from error
        raise CourseError(f"The miniature could not be drawn into {target} ({error}).") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def mark_as_miniature(folder: Path, name: str) -> None:
    """Leave a note in the folder, so that nobody, and no loader, takes it for the real data set."""
    (folder / MINIATURE_MARKER).write_text(
        f"A miniature of {name} in its official layout, drawn by a program. It stands in for the data set in lessons;\n"
        "nothing measured on it says anything about the real one.\n",
        encoding="utf-8",
    )


def missing(path: Path, layout: str) -> CourseError:
    """The error for a file or folder that the layout needs and that is not there."""
    return CourseError(f"{path} is missing. Expected here: {layout}")


def read_image(path: Path) -> Tensor:
    """The picture as uint8 (3, H, W). Raises CourseError where it is missing or broken."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            pixels = np.array(picture.convert("RGB"))
    except FileNotFoundError:
        raise CourseError(f"The picture {path} is missing, though the data set lists it. Copy it again.") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise CourseError(f"The picture {path} is broken ({error}). Copy it again.") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def preview(dataset: Labelled, count: int, size: int = 64, seed: int = 0) -> ImageSet:
    """`count` random pictures, the classes as even as can be, as thumbnails in memory: to look at, or to play with.

    Only these pictures are read, however large the data set.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(dataset.labels), generator=generator)
    labels = dataset.labels[shuffled]
    by_class = labels.argsort(stable=True)
    counts = labels.bincount(minlength=len(dataset.classes))
    # Dealt in rounds, one of each class a round.
    rounds = torch.empty_like(labels)
    rounds[by_class] = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[by_class]]
    chosen = shuffled[rounds.argsort(stable=True)[:count]]
    images = thumbnails((dataset[index].image for index in chosen.tolist()), size)
    return ImageSet(images, dataset.labels[chosen], dataset.classes, dataset.source, dataset.is_miniature)


class Labelled(Protocol):
    """A data set on disk with one label a picture: ImageNet and Places365."""

    labels: Tensor  # int64 (N,)
    source: str
    is_miniature: bool

    @property
    def classes(self) -> tuple[str, ...]: ...

    def __getitem__(self, index: int) -> HasImage: ...


class HasImage(Protocol):
    @property
    def image(self) -> Tensor: ...


def thumbnails(pictures: Iterable[Tensor], size: int = 64) -> Tensor:
    """Pictures of any shape, uint8 (3, H, W) each, as one uint8 (N, 3, size, size): the centre square, resized."""
    squares = []
    for picture in pictures:
        side = min(picture.shape[1:])
        top, left = (picture.shape[1] - side) // 2, (picture.shape[2] - side) // 2
        square = picture[None, :, top : top + side, left : left + side].float()
        square = torch.nn.functional.interpolate(square, (size, size), mode="bilinear", antialias=True)
        squares.append(square.round().clamp(0, 255).to(torch.uint8))
    return torch.cat(squares) if squares else torch.empty(0, 3, size, size, dtype=torch.uint8)
