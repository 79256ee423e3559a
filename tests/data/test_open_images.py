"""Open Images: boxes, masks and labels reach the right picture, and what is wrong in a file is named by its line."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from course_lib.data import open_images, scenes
from course_lib.errors import CourseError

TRAIN_BOXES = "oidv6-train-annotations-bbox.csv"
TRAIN_MASKS = "train-annotations-object-segmentation.csv"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("open-images")
    open_images.miniature(folder, train=12, validation=4)
    return folder


@pytest.fixture
def copy(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "copy"))


def edit(path: Path, change) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def test_every_row_of_the_files_reaches_its_own_picture(drawn: Path) -> None:
    train = open_images.open(drawn)
    read = [
        (example.image_id, box.label_name, f"{box.x_min:.6f}", f"{box.y_max:.6f}")
        for example in train
        for box in example.boxes
    ]
    rows = [line.split(",") for line in (drawn / TRAIN_BOXES).read_text().splitlines()[1:]]
    assert sorted(read) == sorted((row[0], row[2], row[4], row[7]) for row in rows)
    labels = (drawn / "oidv7-train-annotations-human-imagelabels.csv").read_text().splitlines()[1:]
    assert sum(len(example.labels) for example in train) == len(labels)
    masks = (drawn / TRAIN_MASKS).read_text().splitlines()[1:]
    assert sum(len(example.masks) for example in train) == len(masks)


def test_boxes_are_tight_around_the_masks_of_the_same_objects(drawn: Path) -> None:
    compared = 0
    for example in open_images.open(drawn):
        height, width = example.image.shape[1:]
        boxes = {(box.label, box.pixels(height, width)) for box in example.boxes}
        for mask in example.masks:
            assert mask.mask.dtype == torch.bool
            assert mask.mask.shape == (height, width)
            x_min, y_min, x_max, y_max = scenes.bounding_box(mask.mask.numpy())
            around = (x_min * width, y_min * height, x_max * width, y_max * height)
            assert any(label == mask.label and pixels == pytest.approx(around, abs=1e-3) for label, pixels in boxes), (
                f"no box of a {mask.label} at {around}"
            )
            compared += 1
    assert compared > 5


def test_labels_say_present_and_absent(drawn: Path) -> None:
    for example in open_images.open(drawn, "validation"):
        boxed = {box.label for box in example.boxes}
        assert {label.label for label in example.labels if label.confidence == 1} == boxed
        absent = {label.label for label in example.labels if label.confidence == 0}
        assert absent
        assert not absent & boxed


def test_flags_are_read_and_minus_one_means_unknown(copy: Path) -> None:
    edit(
        copy / TRAIN_BOXES,
        lambda lines: [lines[0], lines[1].replace(lines[1].split(",", 8)[8], "1,0,-1,0,1" + ",-1" * 8)],
    )
    train = open_images.open(copy)
    (box,) = [box for example in train for box in example.boxes]
    assert (box.is_occluded, box.is_truncated, box.is_group_of) == (True, False, None)
    assert (box.is_depiction, box.is_inside) == (False, True)


def test_what_hides_or_cuts_off_an_object_is_flagged() -> None:
    things = [
        scenes.Placed("tree", 0.5, 0.5, 0.4),
        scenes.Placed("car", 0.6, 0.55, 0.3),
        scenes.Placed("bus", 0, 0.5, 0.4),
    ]
    tree, car, bus = scenes.draw("field", things, size=(160, 120), rng=random.Random(0)).objects
    assert (tree.occluded, car.occluded, bus.occluded) == (True, False, False)
    assert (tree.truncated, car.truncated, bus.truncated) == (False, False, True)
    assert not (tree.mask & car.mask).any()


def test_a_smaller_mask_is_enlarged_to_the_picture(copy: Path) -> None:
    from PIL import Image

    before = open_images.open(copy)
    index = next(i for i, example in enumerate(before) if example.masks)
    whole = before[index].masks[0]
    (path,) = (copy / "train-masks").glob(f"{before.image_ids[index]}_*_{whole.box_id}.png")
    with Image.open(path) as mask:
        mask.resize((mask.width // 2, mask.height // 2), Image.Resampling.NEAREST).save(path)
    halved = open_images.open(copy)[index].masks[0].mask
    assert halved.shape == whole.mask.shape
    assert (halved == whole.mask).float().mean() > 0.95


def test_masks_in_folders_by_first_digit_are_found(copy: Path) -> None:
    for path in list((copy / "train-masks").glob("*.png")):
        (path.parent / path.name[0]).mkdir(exist_ok=True)
        path.rename(path.parent / path.name[0] / path.name)
    assert any(example.masks for example in open_images.open(copy))


def test_the_pictures_in_the_folder_are_the_data_set(copy: Path) -> None:
    kept = open_images.open(copy).image_ids[3]
    for path in (copy / "train").glob("*.jpg"):
        if path.stem != kept:
            path.unlink()
    (example,) = open_images.open(copy)
    rows = [line for line in (copy / TRAIN_BOXES).read_text().splitlines() if line.startswith(kept)]
    assert example.image_id == kept
    assert len(example.boxes) == len(rows)


def test_older_file_names_without_a_head_line_are_read(copy: Path) -> None:
    newer = open_images.open(copy, "validation")
    classes, labels = newer.classes, newer[0].labels
    new, old = copy / "oidv7-class-descriptions-boxable.csv", copy / "class-descriptions-boxable.csv"
    edit(new, lambda lines: lines[1:])
    new.rename(old)
    (copy / "oidv7-val-annotations-human-imagelabels.csv").rename(
        copy / "validation-annotations-human-imagelabels-boxable.csv"
    )
    older = open_images.open(copy, "validation")
    assert older.classes == classes
    assert older[0].labels == labels


def test_box_counts_come_most_frequent_first(drawn: Path) -> None:
    counts = open_images.open(drawn).box_counts()
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert sum(counts.values()) == len((drawn / TRAIN_BOXES).read_text().splitlines()) - 1


def test_without_a_folder_the_miniature_is_used(cache: Path, monkeypatch) -> None:
    monkeypatch.delenv(open_images.ENVIRONMENT_VARIABLE, raising=False)
    train = open_images.open()
    assert train.is_miniature
    assert "miniature" in repr(train)


@pytest.mark.parametrize("remove", ["train", TRAIN_BOXES, TRAIN_MASKS, "oidv7-class-descriptions-boxable.csv"])
def test_what_is_missing_is_named_with_the_layout(copy: Path, remove: str) -> None:
    path = copy / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(CourseError, match=f"{remove} is missing. Expected here: Open Images"):
        open_images.open(copy)


def test_a_missing_column_is_named(copy: Path) -> None:
    edit(copy / TRAIN_BOXES, lambda lines: [lines[0].replace("IsGroupOf", "Group"), *lines[1:]])
    with pytest.raises(CourseError, match="no column IsGroupOf"):
        open_images.open(copy)


@pytest.mark.parametrize(
    ("old", "new"), [(",xclick,", ","), (",1,0.", ",1,a."), (",1,0.", ",1,7."), (",0,0,0,-1", ",0,0,maybe,-1")]
)
def test_a_malformed_row_is_named_by_its_line(copy: Path, old: str, new: str) -> None:
    number = 5
    edit(
        copy / TRAIN_BOXES,
        lambda lines: [line.replace(old, new, 1) if i == number else line for i, line in enumerate(lines, 1)],
    )
    with pytest.raises(CourseError, match=f"{TRAIN_BOXES}, line {number}: expected"):
        list(open_images.open(copy))


def test_a_row_without_a_picture_is_named_when_the_file_is_opened(copy: Path) -> None:
    edit(copy / TRAIN_MASKS, lambda lines: [*lines[:3], "no-picture-here", *lines[3:]])
    with pytest.raises(CourseError, match=f"{TRAIN_MASKS}, line 4"):
        open_images.open(copy)
