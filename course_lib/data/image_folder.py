"""Pictures in folders, `<split>/<class>/*.jpg|png`: decoded once, in parallel, into tensors."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from course_lib.data.images import ImageSet, Splits
from course_lib.errors import CourseError

SUFFIXES = (".jpg", ".jpeg", ".png")
CHUNK = 256  # pictures a task: enough to keep the threads out of each other's way


# Class name -> its pictures, sorted by name.
Listing: TypeAlias = dict[str, list[os.DirEntry[str]]]


def is_image_folder(folder: Path) -> bool:
    """Whether `folder` has the two folders `train` and `test`."""
    return all((folder / split).is_dir() for split in Splits._fields)


def fingerprint(folder: Path) -> str:
    """Changes when any picture does: a hash of all names, sizes and times of change (0.2 s for 60,000)."""
    digest = hashlib.sha256()
    for split in Splits._fields:
        for name, files in sorted(_listing(folder / split).items()):
            for entry in files:
                about = entry.stat()
                digest.update(f"{split}/{name}/{entry.name}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read_image_folder(folder: Path, official: tuple[str, ...], size: tuple[int, int], source: str) -> Splits:
    """Both splits, pictures sorted by class and name; grey or transparent ones become RGB.

    official: the class names in their order; where the folder has other names, they are sorted.
    size: height and width that every picture must have, in pixels.
    Raises CourseError for a missing or empty class, and for pictures that are broken or of another size, by name.
    """
    listings = {split: _listing(folder / split) for split in Splits._fields}
    classes = _classes(folder, listings, official)
    return Splits(*(_read_split(folder / split, listings[split], classes, size, source) for split in Splits._fields))


def _listing(split: Path) -> Listing:
    """Classes without a picture are left out."""

    listing = {}
    for class_folder in os.scandir(split):
        if class_folder.is_dir() and not class_folder.name.startswith("."):
            files = [e for e in os.scandir(class_folder) if e.name.lower().endswith(SUFFIXES) and e.name[0] != "."]
            if files:
                listing[class_folder.name] = sorted(files, key=lambda entry: entry.name)
    return listing


def _classes(folder: Path, listings: dict[str, Listing], official: tuple[str, ...]) -> tuple[str, ...]:
    names = set().union(*listings.values())
    if not names:
        raise CourseError(f"{folder} has no pictures ({', '.join(SUFFIXES)}) in train/<class>/ and test/<class>/.")
    # Any official name means that this is meant to be the official data set, with all of its classes.
    expected = set(official) if names <= set(official) else names
    for split, listing in listings.items():
        if missing := sorted(expected - set(listing)):
            raise CourseError(
                f"The folder {folder / split} has no pictures of {', '.join(missing)}. "
                f"Train and test need the same {len(expected)} classes, one folder each; copy the missing ones."
            )
    return official if expected == set(official) else tuple(sorted(names))


def _read_split(
    folder: Path,
    listing: dict[str, list[os.DirEntry[str]]],
    classes: tuple[str, ...],
    size: tuple[int, int],
    source: str,
) -> ImageSet:
    paths = [entry.path for name in classes for entry in listing[name]]
    labels = torch.repeat_interleave(torch.tensor([len(listing[name]) for name in classes]))
    pixels = np.empty((len(paths), 3, *size), dtype=np.uint8)

    def read(begin: int) -> list[str]:
        faults = (_decode(paths[i], pixels[i]) for i in range(begin, min(begin + CHUNK, len(paths))))
        return [fault for fault in faults if fault]

    # Pillow lets go of Python's lock while it decodes.
    with ThreadPoolExecutor() as pool:
        faults = [fault for found in pool.map(read, range(0, len(paths), CHUNK)) for fault in found]
    if faults:
        more = f" ... and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise CourseError(
            f"{len(faults)} of the {len(paths)} pictures in {folder} cannot be used: {'; '.join(faults[:3])}{more}. "
            "Copy them again, or delete them."
        )
    return ImageSet(torch.from_numpy(pixels), labels, classes, source)


def _decode(path: str, out: np.ndarray) -> str | None:
    """Writes the picture's (3, H, W) to `out`; what is wrong with it, or None."""
    from PIL import Image

    height, width = out.shape[1:]
    try:
        with Image.open(path) as picture:
            # The size stands in the header: a picture of another size is never decoded.
            if picture.size != (width, height):
                return f"{path} is {picture.height}x{picture.width} pixels, not {height}x{width}"
            out[:] = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{path} is broken or cut off ({str(error).replace(repr(path), 'it')})"
    return None
