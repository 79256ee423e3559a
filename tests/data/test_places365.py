"""Places365: what the layout must give, and what a person is told where a folder lacks something."""

import shutil
from pathlib import Path

import pytest
import torch

from course_lib.data import places365
from course_lib.errors import CourseError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places365")
    places365.miniature(folder, train=2, val=1)
    return folder


@pytest.fixture
def copy(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "copy"))


def replace_line(path: Path, number: int, line: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines) + "\n")


def test_a_picture_comes_with_the_name_of_its_scene(drawn: Path) -> None:
    train = places365.open(drawn)
    example = train[2]  # two pictures a scene
    assert example.image.dtype == torch.uint8
    assert example.image.shape == (3, 96, 96)
    assert (example.label, example.scene) == (1, "desert/sand")
    assert example.path.relative_to(drawn) == Path("data_256_standard/d/desert/sand/00000001.jpg")
    assert train.class_counts().tolist() == [2] * 6


def test_validation_pictures_lie_in_one_folder(drawn: Path) -> None:
    val = places365.open(drawn, "val")
    assert val.labels.tolist() == list(range(6))
    assert val[5].path.relative_to(drawn) == Path("val_256/Places365_val_00000006.jpg")


def test_labels_follow_the_numbers_in_the_file_not_the_alphabet(copy: Path) -> None:
    categories = copy / "categories_places365.txt"
    lines = categories.read_text().splitlines()
    swapped = [lines[0].replace(" 0", " 5"), *lines[1:5], lines[5].replace(" 5", " 0")]
    categories.write_text("\n".join(swapped) + "\n")
    train = places365.open(copy)
    assert train.classes[0] == "street"
    assert train[0].scene == "street"


def test_full_size_pictures_are_found_in_their_own_folders(copy: Path) -> None:
    (copy / "data_256_standard").rename(copy / "data_large_standard")
    assert "data_large_standard" in str(places365.open(copy)[0].path)


def test_the_folder_as_the_archive_unpacks_it_is_taken_too(copy: Path) -> None:
    (copy / "data_256_standard").rename(copy / "data_256")
    assert places365.open(copy)[0].image.shape == (3, 96, 96)


def test_without_a_folder_the_miniature_is_used(cache: Path, monkeypatch) -> None:
    monkeypatch.delenv(places365.ENVIRONMENT_VARIABLE, raising=False)
    train = places365.open()
    assert train.is_miniature
    assert "miniature" in repr(train)
    assert len(train) == 96


@pytest.mark.parametrize("remove", ["categories_places365.txt", "places365_train_standard.txt", "data_256_standard"])
def test_what_is_missing_is_named_with_the_layout(copy: Path, remove: str) -> None:
    path = copy / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(CourseError, match=f"{remove} is missing. Expected here: Places365"):
        places365.open(copy)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/b/beach/00000002.jpg", "line 2: expected"),
        ("/b/beach/00000002.jpg beach", "line 2: expected"),
        ("/b/beach/00000002.jpg 6", "line 2: scene 6, but there are only 6"),
    ],
)
def test_a_malformed_line_is_named_by_its_number(copy: Path, line: str, message: str) -> None:
    replace_line(copy / "places365_train_standard.txt", 2, line)
    with pytest.raises(CourseError, match=message):
        places365.open(copy)


def test_an_empty_list_is_refused(copy: Path) -> None:
    (copy / "places365_val.txt").write_text("")
    with pytest.raises(CourseError, match=r"places365_val\.txt is empty"):
        places365.open(copy, "val")


def test_a_listed_picture_that_is_not_there_is_named(copy: Path) -> None:
    train = places365.open(copy)
    train[0].path.unlink()
    with pytest.raises(CourseError, match=r"00000001\.jpg is missing, though the data set lists it"):
        train[0]


def test_an_unknown_split_is_refused(drawn: Path) -> None:
    with pytest.raises(CourseError, match="Use one of: train-standard"):
        places365.open(drawn, "train")
