"""Open Images from disk, in the layout of the official download: CSV files beside folders of pictures and masks.

    oidv7-class-descriptions-boxable.csv           LabelName,DisplayName   (before V7 without this head line)
    oidv6-train-annotations-bbox.csv               ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,...
    oidv7-train-annotations-human-imagelabels.csv  ImageID,Source,LabelName,Confidence
    train-annotations-object-segmentation.csv      MaskPath,ImageID,LabelName,BoxID,BoxXMin,...,PredictedIoU,Clicks
    train/<ImageID>.jpg, train-masks/<MaskPath>    and the same for validation and test

The train box file alone has 14.6 million rows. None of these files is held in memory: one pass notes where the rows of
each picture stand, and they are read when it is asked for. The pictures that are there decide what is in the set.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from course_lib.data import facts, folders, scenes
from course_lib.data.row_index import RowIndex
from course_lib.errors import CourseError

FACTS = facts.OPEN_IMAGES
ENVIRONMENT_VARIABLE = "COURSE_OPEN_IMAGES"
SPLITS = ("train", "validation", "test")
LAYOUT = (
    "Open Images V7 as downloaded from storage.googleapis.com/openimages: oidv7-class-descriptions-boxable.csv, "
    "oidv6-train-annotations-bbox.csv (or validation-annotations-bbox.csv), "
    "oidv7-train-annotations-human-imagelabels.csv, train-annotations-object-segmentation.csv, "
    "pictures in train/, masks in train-masks/."
)

BOX_COLUMNS = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
LABEL_COLUMNS = "ImageID,Source,LabelName,Confidence"
MASK_COLUMNS = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"


@dataclass(frozen=True)
class Box:
    """A box in fractions of the picture's width and height, x to the right and y down; flags are None where unknown."""

    label: str
    label_name: str  # the class's number in Freebase, "/m/0k4j"
    x_min: float
    x_max: float
    y_min: float
    y_max: float
    is_occluded: bool | None
    is_truncated: bool | None
    is_group_of: bool | None
    is_depiction: bool | None
    is_inside: bool | None

    def pixels(self, height: int, width: int) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max in pixels of a picture of that size."""
        return self.x_min * width, self.y_min * height, self.x_max * width, self.y_max * height


@dataclass(frozen=True, eq=False)
class Mask:
    """The outline of one object: bool (H, W), as large as the picture (the file on disk may be smaller)."""

    label: str
    label_name: str
    box_id: str
    mask: Tensor
    predicted_iou: float | None  # what the annotators' tool thought of it; None where not given


@dataclass(frozen=True)
class ImageLabel:
    """Whether a class is in the picture. Confidence 1: a person saw it; 0: a person looked and it is not there.

    A class without an `ImageLabel` was not looked for: absent from the list does not mean absent from the picture.
    """

    label: str
    label_name: str
    source: str
    confidence: float


@dataclass(frozen=True, eq=False)
class Example:
    """One picture, uint8 (3, H, W), and everything that is said about it."""

    image_id: str
    image: Tensor
    labels: tuple[ImageLabel, ...]
    boxes: tuple[Box, ...]
    masks: tuple[Mask, ...]


class OpenImages(Dataset[Example]):
    """One split of Open Images. Raises CourseError naming the missing file or column, or the malformed line."""

    def __init__(self, found: folders.Found, split: str):
        if split not in SPLITS:
            raise CourseError(f"Open Images has no split {split!r}. Use one of: {', '.join(SPLITS)}.")
        self.split, self.is_miniature, self.source = split, found.is_miniature, found.source("Open Images")
        root = found.folder
        self._pictures, self._masks_folder = root / split, root / f"{split}-masks"
        if not self._pictures.is_dir():
            raise folders.missing(self._pictures, LAYOUT)
        self.image_ids = tuple(sorted(path.stem for path in self._pictures.glob("*.jpg")))
        if not self.image_ids:
            raise CourseError(f"{self._pictures} has no pictures named <ImageID>.jpg. Expected: {LAYOUT}")
        self.descriptions = _descriptions(root)
        short = {"validation": "val"}.get(split, split)
        box_file = _first(root, f"oidv6-{split}-annotations-bbox.csv", f"{split}-annotations-bbox.csv")
        label_file = _first(
            root,
            f"oidv7-{short}-annotations-human-imagelabels.csv",
            f"{split}-annotations-human-imagelabels-boxable.csv",
            f"{split}-annotations-human-imagelabels.csv",
        )
        mask_file = _first(root, f"{split}-annotations-object-segmentation.csv")
        self._boxes = RowIndex(box_file, BOX_COLUMNS, self.image_ids)
        self._labels = RowIndex(label_file, LABEL_COLUMNS, self.image_ids)
        self._masks = RowIndex(mask_file, MASK_COLUMNS, self.image_ids)

    @property
    def classes(self) -> tuple[str, ...]:
        """Display names, in the order of the class descriptions."""
        return tuple(self.descriptions.values())

    def box_counts(self) -> dict[str, int]:
        """Boxes of each class over the whole split, most frequent first. Reads the boxes' rows, no picture."""
        counts: dict[str, int] = {}
        for row in self._boxes.all_rows():
            label = self._name(row["LabelName"])
            counts[label] = counts.get(label, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Example:
        image_id = self.image_ids[index]
        image = folders.read_image(self._pictures / f"{image_id}.jpg")
        return Example(
            image_id,
            image,
            tuple(self._labels.parse(image_id, self._label)),
            tuple(self._boxes.parse(image_id, self._box)),
            tuple(self._masks.parse(image_id, lambda row: self._mask(row, image.shape[1], image.shape[2]))),
        )

    def _name(self, label_name: str) -> str:
        return self.descriptions.get(label_name, label_name)

    def _label(self, row: dict[str, str]) -> ImageLabel:
        return ImageLabel(self._name(row["LabelName"]), row["LabelName"], row["Source"], float(row["Confidence"]))

    def _box(self, row: dict[str, str]) -> Box:
        x_min, x_max, y_min, y_max = (float(row[column]) for column in ("XMin", "XMax", "YMin", "YMax"))
        if not (0 <= x_min <= x_max <= 1 and 0 <= y_min <= y_max <= 1):
            raise ValueError("XMin <= XMax and YMin <= YMax, all within 0 and 1")
        flags = [_flag(row[f"Is{what}"]) for what in ("Occluded", "Truncated", "GroupOf", "Depiction", "Inside")]
        return Box(self._name(row["LabelName"]), row["LabelName"], x_min, x_max, y_min, y_max, *flags)

    def _mask(self, row: dict[str, str], height: int, width: int) -> Mask:
        path = self._masks_folder / row["MaskPath"]
        if not path.is_file():  # the official zip files also unpack into one folder for each first digit
            path = self._masks_folder / row["MaskPath"][0] / row["MaskPath"]
        mask = folders.read_image(path)[:1, None].float()
        mask = torch.nn.functional.interpolate(mask, (height, width), mode="nearest")[0, 0] > 127
        quality = float(row["PredictedIoU"]) if row["PredictedIoU"] else None
        return Mask(self._name(row["LabelName"]), row["LabelName"], row["BoxID"], mask, quality)

    def __repr__(self) -> str:
        return (
            f"{self.source}, {self.split}: {len(self):,} pictures, {len(self._labels):,} image labels, "
            f"{len(self._boxes):,} boxes, {len(self._masks):,} masks"
        )


def open(folder: str | Path | None = None, split: str = "train") -> OpenImages:
    """Open Images in `folder`, else in the folder that COURSE_OPEN_IMAGES names, else the miniature."""
    return OpenImages(folders.find(folder, ENVIRONMENT_VARIABLE, miniature, version="open-images-1"), split)


def _first(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_file():
            return root / name
    raise folders.missing(root / names[0], LAYOUT)


def _flag(value: str) -> bool | None:
    return {"1": True, "0": False, "-1": None}[value]


def _descriptions(root: Path) -> dict[str, str]:
    """LabelName -> DisplayName. V7's file has a head line, that of V4 to V6 has none."""
    import csv

    path = _first(root, "oidv7-class-descriptions-boxable.csv", "class-descriptions-boxable.csv")
    every = root / "oidv7-class-descriptions.csv"  # the 20,638 classes of the image labels, where it is there
    names: dict[str, str] = {}
    for file in (path, *([every] if every.is_file() else [])):
        with file.open(newline="", encoding="utf-8") as lines:
            rows = csv.reader(lines)
            for row in rows:
                if len(row) != 2:
                    raise CourseError(f"{file}, line {rows.line_num}: expected `LabelName,DisplayName`, found {row!r}.")
                if row[0].startswith("/"):
                    names.setdefault(row[0], row[1])
    return names


# The miniature: nine classes under the names and Freebase numbers that Open Images gives them.
MINIATURE_CLASSES = {
    "balloon": ("/m/01j51", "Balloon"),
    "basketball": ("/m/018xm", "Ball"),
    "boat": ("/m/019jd", "Boat"),
    "bus": ("/m/01bjv", "Bus"),
    "car": ("/m/0k4j", "Car"),
    "church": ("/m/0cgh4", "Building"),
    "daisy": ("/m/0c9ph5", "Flower"),
    "goldfish": ("/m/03fj2", "Goldfish"),
    "tree": ("/m/07j7r", "Tree"),
}
# Nobody chose what stands in the pictures, so some things are everywhere: the frequencies fall off like a long tail.
_FREQUENCIES = {
    "tree": 34, "car": 26, "church": 16, "daisy": 10, "boat": 6, "bus": 4, "basketball": 2, "balloon": 2, "goldfish": 1,
}  # fmt: skip


def miniature(folder: Path, *, train: int = 48, validation: int = 8, seed: int = 0) -> None:
    """Write a drawn Open Images: several objects a picture, boxes, some masks, labels present and absent."""
    rng = random.Random(seed)
    head = "".join(f"{number},{name}\n" for number, name in MINIATURE_CLASSES.values())
    (folder / "oidv7-class-descriptions-boxable.csv").write_text("LabelName,DisplayName\n" + head)
    for split, count in (("train", train), ("validation", validation)):
        boxes, labels, masks = [BOX_COLUMNS], [LABEL_COLUMNS], [MASK_COLUMNS]
        if split == "train":  # since V6 the train file also has the four clicks on the object's extreme points
            boxes[0] += ",XClick1X,XClick2X,XClick3X,XClick4X,XClick1Y,XClick2Y,XClick3Y,XClick4Y"
        (folder / split).mkdir(parents=True)
        (folder / f"{split}-masks").mkdir()
        for _ in range(count):
            _draw_example(folder, split, f"{rng.getrandbits(64):016x}", boxes, labels, masks, rng)
        short = "val" if split == "validation" else split
        prefix = "oidv6-" if split == "train" else ""
        (folder / f"{prefix}{split}-annotations-bbox.csv").write_text("\n".join(boxes) + "\n")
        (folder / f"oidv7-{short}-annotations-human-imagelabels.csv").write_text("\n".join(labels) + "\n")
        rng.shuffle(rows := masks[1:])  # the official file is in no order either
        (folder / f"{split}-annotations-object-segmentation.csv").write_text("\n".join([masks[0], *rows]) + "\n")
    folders.mark_as_miniature(folder, "Open Images")


def _draw_example(
    folder: Path, split: str, image_id: str, boxes: list[str], labels: list[str], masks: list[str], rng: random.Random
) -> None:
    from PIL import Image

    kinds = rng.choices(list(_FREQUENCIES), weights=list(_FREQUENCIES.values()), k=rng.choice([1, 2, 2, 3, 3, 4, 5, 6]))
    # Small things behind, large ones in front of them.
    sizes = sorted(rng.uniform(0.2, 0.65) for _ in kinds)
    # Each has a strip of the picture, and reaches into the neighbours'.
    strips = rng.sample(range(len(kinds)), len(kinds))
    things = [
        scenes.Placed(kind, (strip + rng.random()) / len(kinds), rng.uniform(0.5, 0.7), size)
        for kind, strip, size in zip(kinds, strips, sizes, strict=True)
    ]
    size = rng.choice([(160, 120), (160, 120), (120, 160)])
    scene = scenes.draw(rng.choice(["field", "street", "beach", "ocean", "snow"]), things, size=size, rng=rng)
    scene.picture.save(folder / split / f"{image_id}.jpg", quality=92)
    for thing in scene.objects:
        number, _ = MINIATURE_CLASSES[thing.kind]
        x_min, y_min, x_max, y_max = thing.box
        sides = f"{x_min:.6f},{x_max:.6f},{y_min:.6f},{y_max:.6f}"
        row = f"{image_id},xclick,{number},1,{sides},{int(thing.occluded)},{int(thing.truncated)},0,0,0"
        boxes.append(row + (",-1" * 8 if split == "train" else ""))
        if rng.random() < 0.75:  # the real ones cover 350 of the 600 classes
            box_id = f"{rng.getrandbits(32):08x}"
            name = f"{image_id}_{number[1:].replace('/', '')}_{box_id}.png"
            Image.fromarray(thing.mask).save(folder / f"{split}-masks" / name)
            masks.append(f"{name},{image_id},{number},{box_id},{sides},{rng.uniform(0.7, 0.95):.5f},")
    present = {MINIATURE_CLASSES[thing.kind][0] for thing in scene.objects}
    absent = [number for number, _ in MINIATURE_CLASSES.values() if number not in present]
    for number in sorted(present):
        labels.append(f"{image_id},verification,{number},1")
    for number in rng.sample(absent, 2):
        labels.append(f"{image_id},verification,{number},0")
