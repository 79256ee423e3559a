"""Folders of pictures: decoded right, in the right order, and every fault named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.image_folder import fingerprint, read_image_folder
from course_lib.data.images import Splits
from course_lib.errors import CourseError

OFFICIAL = ("cat", "ant", "bee")  # not in alphabetical order
SIZE = (4, 6)


def pixels(label: int, number: int) -> np.ndarray:
    return np.random.RandomState(label * 10 + number).randint(0, 256, (*SIZE, 3)).astype(np.uint8)


def make(folder: Path, classes: tuple[str, ...] = OFFICIAL, count: int = 2) -> Path:
    for split in ("train", "test"):
        for label, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(pixels(label, number)).save(folder / split / name / f"{number}.png")
    return folder


def read(folder: Path) -> Splits:
    return read_image_folder(folder, OFFICIAL, SIZE, "test")


def test_every_picture_is_read_into_its_class_in_the_official_order(tmp_path: Path) -> None:
    for split in read(make(tmp_path)):
        assert split.classes == OFFICIAL
        assert split.labels.tolist() == [0, 0, 1, 1, 2, 2]
        expected = np.stack([pixels(label, number) for label in range(3) for number in range(2)])
        assert torch.equal(split.images, torch.from_numpy(expected).permute(0, 3, 1, 2))


def test_other_class_names_are_sorted(tmp_path: Path) -> None:
    assert read(make(tmp_path, ("yak", "ant", "emu"))).train.classes == ("ant", "emu", "yak")


def test_grey_and_transparent_pictures_and_jpegs_become_three_channels(tmp_path: Path) -> None:
    folder = make(tmp_path)
    grey = Image.fromarray(np.full(SIZE, 77, np.uint8))
    grey.save(folder / "train" / "cat" / "0.png")
    grey.convert("RGBA").save(folder / "train" / "cat" / "1.png")
    grey.save(folder / "train" / "cat" / "2.JPEG", quality=100)
    train = read(folder).train
    assert torch.equal(train.images[:2], torch.full((2, 3, *SIZE), 77, dtype=torch.uint8))
    assert (train.images[2].int() - 77).abs().max() <= 2


def test_other_files_in_the_folders_are_left_alone(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "train" / "cat" / "notes.txt").write_text("not a picture")
    (folder / "train" / "cat" / "._0.png").write_text("what macOS leaves behind")
    (folder / "train" / ".DS_Store").write_text("")
    (folder / "train" / ".cache").mkdir()
    assert len(read(folder).train) == 6


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("only_empty", [False, True])
def test_a_missing_class_is_named(tmp_path: Path, split: str, only_empty: bool) -> None:
    folder = make(tmp_path)
    shutil.rmtree(folder / split / "bee")
    if only_empty:
        (folder / split / "bee").mkdir()
    with pytest.raises(CourseError, match=rf"{split} has no pictures of bee"):
        read(folder)


def test_an_official_class_missing_from_both_halves_is_named(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="no pictures of bee"):
        read(make(tmp_path, ("cat", "ant")))


@pytest.mark.parametrize("damage", ["cut off", "no picture", "empty"])
def test_a_broken_picture_is_named(tmp_path: Path, damage: str) -> None:
    folder = make(tmp_path)
    broken = folder / "test" / "ant" / "1.png"
    whole = broken.read_bytes()
    broken.write_bytes({"cut off": whole[:-40], "no picture": b"hello", "empty": b""}[damage])
    with pytest.raises(CourseError, match=r"1 of the 6 pictures.*ant.1\.png is broken or cut off"):
        read(folder)


def test_a_picture_of_another_size_is_named_with_its_size(tmp_path: Path) -> None:
    folder = make(tmp_path)
    Image.new("RGB", (9, 8)).save(folder / "train" / "bee" / "0.png")
    with pytest.raises(CourseError, match=r"bee.0\.png is 8x9 pixels, not 4x6"):
        read(folder)


def test_many_faults_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    folder = make(tmp_path, count=4)
    for number in range(4):
        (folder / "train" / "cat" / f"{number}.png").write_bytes(b"")
    with pytest.raises(CourseError, match=r"4 of the 12.*0\.png.*2\.png.*1 more"):
        read(folder)


def test_a_folder_without_pictures_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    with pytest.raises(CourseError, match="has no pictures"):
        read(tmp_path)


def test_the_fingerprint_changes_with_any_picture_and_with_nothing_else(tmp_path: Path) -> None:
    folder = make(tmp_path)
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    picture = folder / "train" / "cat" / "0.png"
    picture.write_bytes(picture.read_bytes())
    os.utime(picture, ns=(0, 12345))
    changed = fingerprint(folder)
    assert changed != before
    picture.rename(picture.with_name("9.png"))
    assert fingerprint(folder) not in (before, changed)
