"""ImageNet (ILSVRC 2012) from disk, in either of the layouts people have it in.

    torchvision's   train/<wnid>/*.JPEG, val/<wnid>/*.JPEG, with meta.bin or ILSVRC2012_devkit_t12(.tar.gz)
    Kaggle's        ILSVRC/Data/CLS-LOC/{train/<wnid>, val}/*.JPEG, LOC_synset_mapping.txt, LOC_val_solution.csv

A wnid is WordNet's number of a noun, "n02084071"; a class is a set of synonyms. Pictures are read one by one.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from course_lib.data import facts, folders, scenes
from course_lib.data.images import ImageSet
from course_lib.errors import CourseError

FACTS = facts.IMAGENET
ENVIRONMENT_VARIABLE = "COURSE_IMAGENET"
LAYOUT = (
    "ImageNet as torchvision keeps it (train/<wnid>/*.JPEG, val/<wnid>/*.JPEG, and meta.bin or "
    "ILSVRC2012_devkit_t12.tar.gz) or as Kaggle packs it (ILSVRC/Data/CLS-LOC/train/<wnid>/*.JPEG, "
    "LOC_synset_mapping.txt)."
)


@dataclass(frozen=True, eq=False)
class Example:
    """One picture, uint8 (3, H, W), with the one class that ImageNet gives it."""

    image: Tensor
    label: int
    wnid: str
    synonyms: tuple[str, ...]
    path: Path


class ImageNet(Dataset[Example]):
    """One split of ImageNet, streaming from disk. Raises CourseError naming what the folder lacks."""

    def __init__(self, found: folders.Found, split: str):
        if split not in ("train", "val"):
            raise CourseError(
                f"ImageNet has no split {split!r} here: use 'train' or 'val' (test labels are not public)."
            )
        self.split, self.is_miniature, self.source = split, found.is_miniature, found.source("ImageNet")
        root = found.folder
        kaggle = _first_folder(root / "ILSVRC" / "Data" / "CLS-LOC", root / "Data" / "CLS-LOC")
        pictures = (kaggle or root) / split
        if not pictures.is_dir():
            raise folders.missing(pictures, LAYOUT)
        names = _class_names(root)
        if kaggle and split == "val" and not any(entry.is_dir() for entry in pictures.iterdir()):
            samples, self.wnids = _flat_validation(pictures, root, tuple(sorted(names)))
        else:
            samples, self.wnids = _folders_of_wnids(pictures)
        unknown = [wnid for wnid in self.wnids if wnid not in names]
        if unknown:
            raise CourseError(f"{pictures} has a folder {unknown[0]}, which is no class in {root}. Expected: {LAYOUT}")
        self.synonyms = tuple(names[wnid] for wnid in self.wnids)
        self._paths = [path for path, _ in samples]
        self.labels = torch.tensor([label for _, label in samples])

    @property
    def classes(self) -> tuple[str, ...]:
        """The first synonym of every class, in the order of the labels."""
        return tuple(synonyms[0] for synonyms in self.synonyms)

    def class_counts(self) -> Tensor:
        """Pictures of each class, int64 (C,), without opening one."""
        return self.labels.bincount(minlength=len(self.wnids))

    def preview(self, count: int, size: int = 64, seed: int = 0) -> ImageSet:
        """`count` random pictures, classes evenly, as uint8 (count, 3, size, size) in memory."""
        return folders.preview(self, count, size, seed)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Example:
        label, path = int(self.labels[index]), Path(self._paths[index])
        return Example(folders.read_image(path), label, self.wnids[label], self.synonyms[label], path)

    def __repr__(self) -> str:
        return f"{self.source}, {self.split}: {len(self):,} pictures in {len(self.wnids):,} classes"


def open(folder: str | Path | None = None, split: str = "train") -> ImageNet:
    """ImageNet in `folder`, else in the folder that COURSE_IMAGENET names, else the miniature."""
    return ImageNet(folders.find(folder, ENVIRONMENT_VARIABLE, miniature, version="imagenet-1"), split)


def _first_folder(*candidates: Path) -> Path | None:
    return next((folder for folder in candidates if folder.is_dir()), None)


def _folders_of_wnids(pictures: Path) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    from torchvision.datasets import ImageFolder

    try:
        dataset = ImageFolder(str(pictures))
    except FileNotFoundError as error:
        raise CourseError(
            f"{pictures} has no pictures, or a class without one ({error}). Expected: {LAYOUT}"
        ) from error
    return dataset.samples, tuple(dataset.classes)


def _flat_validation(
    pictures: Path, root: Path, wnids: tuple[str, ...]
) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """Kaggle keeps the validation pictures in one folder and their classes in LOC_val_solution.csv."""
    solution = root / "LOC_val_solution.csv"
    if not solution.is_file():
        raise folders.missing(solution, LAYOUT)
    index = {wnid: label for label, wnid in enumerate(wnids)}
    samples = []
    with solution.open(newline="", encoding="utf-8") as lines:
        rows = csv.reader(lines)
        next(rows, None)
        for row in rows:
            wnid = row[1].split()[0] if len(row) == 2 and row[1].split() else None
            if wnid not in index:
                raise CourseError(f"{solution}, line {rows.line_num}: expected `ImageId,wnid x y x y`, found {row!r}.")
            samples.append((str(pictures / f"{row[0]}.JPEG"), index[wnid]))
    return sorted(samples), wnids


def _class_names(root: Path) -> dict[str, tuple[str, ...]]:
    """wnid -> synonyms, from the first that is there: torchvision's meta.bin, Kaggle's mapping, the development kit."""
    mapping = root / "LOC_synset_mapping.txt"
    if (root / "meta.bin").is_file():
        from torchvision.datasets.imagenet import load_meta_file

        return load_meta_file(root)[0]
    if mapping.is_file():
        names = {}
        for number, line in enumerate(mapping.read_text(encoding="utf-8").splitlines(), 1):
            wnid, _, synonyms = line.partition(" ")
            if not synonyms:
                raise CourseError(f"{mapping}, line {number}: expected `n01440764 tench, Tinca tinca`, found {line!r}.")
            names[wnid] = tuple(synonyms.split(", "))
        return names
    extracted = root / "ILSVRC2012_devkit_t12" / "data" / "meta.mat"
    if extracted.is_file():
        return _names_from_matlab(extracted)
    if (root / "ILSVRC2012_devkit_t12.tar.gz").is_file():
        return _names_from_archive(root / "ILSVRC2012_devkit_t12.tar.gz")
    raise CourseError(f"{root} does not say what its classes are called. Expected here: {LAYOUT}")


def _names_from_matlab(file: Any) -> dict[str, tuple[str, ...]]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise CourseError("ImageNet's development kit is a MATLAB file: `pip install scipy` to read it.") from None
    synsets = loadmat(file, squeeze_me=True)["synsets"]
    # Columns: number, wnid, synonyms, gloss, how many children. The 1000 classes are those without children.
    return {str(row[1]): tuple(str(row[2]).split(", ")) for row in synsets if row[4] == 0}


def _names_from_archive(archive: Path) -> dict[str, tuple[str, ...]]:
    import io
    import tarfile

    try:
        with tarfile.open(archive) as members:
            file = members.extractfile("ILSVRC2012_devkit_t12/data/meta.mat")
            assert file is not None  # a plain file, in every copy of the archive
            return _names_from_matlab(io.BytesIO(file.read()))
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise CourseError(f"{archive} is cut off or no development kit ({error}). Download it again.") from error


# The miniature: eight of the thousand classes, under their own wnids and names.
MINIATURE_CLASSES = {
    "n01443537": ("goldfish, Carassius auratus", "goldfish", "pond"),
    "n02782093": ("balloon", "balloon", "field"),
    "n02802426": ("basketball", "basketball", "street"),
    "n02930766": ("cab, hack, taxi, taxicab", "car", "street"),
    "n03028079": ("church, church building", "church", "field"),
    "n04146614": ("school bus", "bus", "street"),
    "n04147183": ("schooner", "boat", "ocean"),
    "n11939491": ("daisy", "daisy", "field"),
}


def miniature(folder: Path, *, train: int = 12, val: int = 4, seed: int = 0) -> None:
    """Write a drawn ImageNet in torchvision's layout: one object, large and near the middle, as ImageNet's mostly are.

    train, val: pictures per class. torchvision.datasets.ImageNet opens the folder too.
    """
    rng = random.Random(seed)
    validation = 0
    for split, count in (("train", train), ("val", val)):
        for wnid, (_, kind, background) in MINIATURE_CLASSES.items():
            (folder / split / wnid).mkdir(parents=True)
            for number in range(count):
                where = background if rng.random() < 0.6 else rng.choice(list(scenes.BACKGROUNDS))
                placed = scenes.Placed(kind, rng.uniform(0.4, 0.6), rng.uniform(0.42, 0.6), rng.uniform(0.55, 0.85))
                size = rng.choice([(128, 96), (96, 128), (112, 112)])
                validation += split == "val"
                name = f"{wnid}_{number}.JPEG" if split == "train" else f"ILSVRC2012_val_{validation:08d}.JPEG"
                picture = scenes.draw(where, [placed], size=size, rng=rng).picture
                picture.save(folder / split / wnid / name, format="JPEG", quality=92)
    names = {wnid: tuple(words.split(", ")) for wnid, (words, _, _) in MINIATURE_CLASSES.items()}
    # What torchvision keeps of the development kit: names, and the classes of the validation pictures in order.
    torch.save((names, [wnid for wnid in names for _ in range(val)]), folder / "meta.bin")
    folders.mark_as_miniature(folder, "ImageNet")
