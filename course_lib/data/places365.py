"""Places365 from disk, in torchvision's layout, small (256 x 256) or full-size pictures.

    categories_places365.txt             /a/airfield 0
    places365_train_standard.txt         /a/airfield/00000001.jpg 0
    places365_val.txt                    Places365_val_00000001.jpg 165
    data_256_standard/  val_256/         or data_large_standard/, val_large/

The label is the place, not a thing in it. Pictures are read one by one. The archive's own folder data_256 will do.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import Dataset

from course_lib.data import facts, folders, scenes
from course_lib.data.images import ImageSet
from course_lib.errors import CourseError

if TYPE_CHECKING:
    from torchvision.datasets import Places365 as TorchvisionPlaces365

FACTS = facts.PLACES365
ENVIRONMENT_VARIABLE = "COURSE_PLACES365"
SPLITS = ("train-standard", "train-challenge", "val")
LAYOUT = (
    "Places365 as torchvision keeps it: categories_places365.txt, places365_train_standard.txt, places365_val.txt "
    "and the folders data_256_standard and val_256 (or data_large_standard and val_large)."
)


@dataclass(frozen=True, eq=False)
class Example:
    """One picture, uint8 (3, H, W), with the scene it shows: "/b/beach" is called "beach"."""

    image: Tensor
    label: int
    scene: str
    path: Path


class Places365(Dataset[Example]):
    """One split of Places365, streaming from disk. Raises CourseError naming what is missing or the malformed line."""

    def __init__(self, found: folders.Found, split: str):
        if split not in SPLITS:
            raise CourseError(f"Places365 has no split {split!r}. Use one of: {', '.join(SPLITS)}.")
        self.split, self.is_miniature, self.source = split, found.is_miniature, found.source("Places365")
        root = found.folder
        classes = _check_list(root / "categories_places365.txt", "/a/airfield 0")
        _check_list(root / _layout()._FILE_LIST_META[split][0], "a picture and the number of its scene", classes)
        small = not any((root / name).is_dir() for name in ("data_large_standard", "data_large_challenge", "val_large"))
        dataset = _layout()(str(root), split=split, small=small)
        if not Path(dataset.images_dir).is_dir():
            raise folders.missing(Path(dataset.images_dir), LAYOUT)
        self.categories = tuple(sorted(dataset.class_to_idx, key=dataset.class_to_idx.__getitem__))
        self._paths = [path for path, _ in dataset.imgs]
        self.labels = torch.tensor(dataset.targets)

    @property
    def classes(self) -> tuple[str, ...]:
        """Scene names in the order of the labels, without the letter that files them: "forest/broadleaf"."""
        return tuple(category[3:] for category in self.categories)

    def class_counts(self) -> Tensor:
        """Pictures of each scene, int64 (C,), without opening one."""
        return self.labels.bincount(minlength=len(self.categories))

    def preview(self, count: int, size: int = 64, seed: int = 0) -> ImageSet:
        """`count` random pictures, classes evenly, as uint8 (count, 3, size, size) in memory."""
        return folders.preview(self, count, size, seed)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Example:
        label, path = int(self.labels[index]), Path(self._paths[index])
        return Example(folders.read_image(path), label, self.classes[label], path)

    def __repr__(self) -> str:
        return f"{self.source}, {self.split}: {len(self):,} pictures of {len(self.categories):,} scenes"


def open(folder: str | Path | None = None, split: str = "train-standard") -> Places365:
    """Places365 in `folder`, else in the folder that COURSE_PLACES365 names, else the miniature."""
    return Places365(folders.find(folder, ENVIRONMENT_VARIABLE, miniature, version="places365-1"), split)


@functools.cache
def _layout() -> type[TorchvisionPlaces365]:
    """torchvision's reader, content with file lists that are not the official ones to the byte: subsets are welcome."""
    from torchvision.datasets import Places365 as TorchvisionPlaces365

    class Layout(TorchvisionPlaces365):
        def _check_integrity(self, file: str, md5: str, download: bool) -> bool:
            return Path(file).is_file()

        @property
        def images_dir(self) -> str:
            # The archive train_256_places365standard.tar unpacks to data_256; torchvision renames it after a download.
            official = Path(super().images_dir)
            unpacked = official.with_name(official.name.rsplit("_", 1)[0])
            return str(unpacked if not official.is_dir() and unpacked.is_dir() else official)

    return Layout


def _check_list(path: Path, expected: str, classes: int | None = None) -> int:
    """Count the lines, `name number`; torchvision's reader would not say which one is malformed."""
    if not path.is_file():
        raise folders.missing(path, LAYOUT)
    count = 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.split()
            if len(fields) != 2 or not fields[1].isdigit():
                raise CourseError(f"{path}, line {number}: expected `{expected}`, found {line.strip()!r}.")
            if classes is not None and int(fields[1]) >= classes:
                raise CourseError(f"{path}, line {number}: scene {fields[1]}, but there are only {classes} categories.")
            count += 1
    if not count:
        raise CourseError(f"{path} is empty. Expected lines such as `{expected}`.")
    return count


# The miniature: six scenes. Things stand about in them, but the place is what the label says.
MINIATURE_SCENES = {
    "/b/beach": ("beach", ("boat", "basketball", "balloon")),
    "/d/desert/sand": ("desert", ("car", "balloon", "tree")),
    "/f/field/wild": ("field", ("daisy", "tree", "church")),
    "/o/ocean": ("ocean", ("boat", "balloon")),
    "/s/snowfield": ("snow", ("tree", "church", "car")),
    "/s/street": ("street", ("car", "bus", "tree")),
}


def miniature(folder: Path, *, train: int = 16, val: int = 4, size: int = 96, seed: int = 0) -> None:
    """Write a drawn Places365 in the layout of the small pictures. train, val: pictures per scene. size: their side."""
    rng = random.Random(seed)
    categories = list(MINIATURE_SCENES)
    (folder / "categories_places365.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(categories)))
    (folder / "val_256").mkdir(parents=True)
    lists: dict[str, list[str]] = {"places365_train_standard.txt": [], "places365_val.txt": []}
    for label, category in enumerate(categories):
        (folder / "data_256_standard" / category[1:]).mkdir(parents=True)
        for number in range(1, train + 1):
            name = f"{category}/{number:08d}.jpg"
            _draw(category, size, rng).save(folder / "data_256_standard" / name[1:], quality=92)
            lists["places365_train_standard.txt"].append(f"{name} {label}\n")
        for number in range(1, val + 1):
            name = f"Places365_val_{label * val + number:08d}.jpg"
            _draw(category, size, rng).save(folder / "val_256" / name, quality=92)
            lists["places365_val.txt"].append(f"{name} {label}\n")
    for file, rows in lists.items():
        (folder / file).write_text("".join(rows))
    folders.mark_as_miniature(folder, "Places365")


def _draw(category: str, size: int, rng: random.Random):  # type: ignore[no-untyped-def]  # PIL's Image
    background, kinds = MINIATURE_SCENES[category]
    things = [
        scenes.Placed(rng.choice(kinds), rng.uniform(0.1, 0.9), rng.uniform(0.5, 0.75), rng.uniform(0.15, 0.35))
        for _ in range(rng.randint(0, 3))
    ]
    return scenes.draw(background, things, size=(size, size), rng=rng).picture
