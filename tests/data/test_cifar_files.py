"""The official files: pickles read as data, archives read without extracting, faults named."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from course_lib.data import cifar_files
from course_lib.data.cifar_files import FILES, META_FILE, TEST_FILE, TRAIN_FILES
from course_lib.errors import CourseError

WHERE = Path("somewhere")


def official(count: int = 4) -> dict[str, bytes]:
    """The seven files, `count` images each, as Python 2 would have written their dictionaries: keys are bytes."""
    contents = {META_FILE: pickle.dumps({b"label_names": [c.encode() for c in cifar_files.CIFAR10_CLASSES]}, 2)}
    for number, name in enumerate((*TRAIN_FILES, TEST_FILE)):
        labels = [(number + i) % 10 for i in range(count)]
        data = np.random.RandomState(number).randint(0, 256, (count, 3072)).astype(np.uint8)
        contents[name] = pickle.dumps({b"data": data, b"labels": labels, b"batch_label": name.encode()}, 2)
    return contents


def archive(path: Path, contents: dict[str, bytes], folder: str = cifar_files.FOLDER) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_the_five_train_files_and_the_test_file_become_two_splits_in_order() -> None:
    train, test = cifar_files.parse(official(), WHERE)
    assert (len(train), len(test)) == (20, 4)
    assert train.classes == cifar_files.CIFAR10_CLASSES
    assert train.labels.tolist() == [(number + i) % 10 for number in range(5) for i in range(4)]
    second = np.random.RandomState(1).randint(0, 256, (4, 3072)).astype(np.uint8)
    # Row-major, first all of the red, then green, then blue (the data set's own page).
    assert torch.equal(train.images[4:8], torch.from_numpy(second.reshape(4, 3, 32, 32)))
    assert not train.is_miniature


def test_what_pack_writes_is_read_back_and_known_for_the_miniature() -> None:
    contents = official() | {META_FILE: cifar_files.pack_meta(4, miniature=True)}
    pixels, labels = np.full((4, 3, 32, 32), 9, np.uint8), np.array([3, 1, 2, 0])
    contents[TEST_FILE] = cifar_files.pack(pixels, labels, TEST_FILE)
    test = cifar_files.parse(contents, WHERE).test
    assert test.is_miniature
    assert test.labels.tolist() == [3, 1, 2, 0]
    assert torch.equal(test.images, torch.from_numpy(pixels))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_pickled_by_any_protocol_are_read(protocol: int) -> None:
    contents = official()
    contents = {name: pickle.dumps(pickle.loads(content), protocol) for name, content in contents.items()}
    assert len(cifar_files.parse(contents, WHERE).train) == 20


def test_files_written_by_older_and_newer_numpy_are_read() -> None:
    contents = official()
    for old, new in ((b"numpy._core.", b"numpy.core."), (b"numpy.core.", b"numpy._core.")):
        renamed = {name: content.replace(b"c" + old, b"c" + new) for name, content in contents.items()}
        assert len(cifar_files.parse(renamed, WHERE).train) == 20


class RunsAProgram:
    def __init__(self, function: Any, *arguments: Any):
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    "attack",
    [(os.mkdir, "made-by-a-pickle"), (eval, "1"), (np.load, "x"), (bytes.decode, b"", "zip")],
)
def test_a_pickle_that_would_run_something_is_refused_before_it_does(
    attack: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    contents = official() | {TEST_FILE: pickle.dumps({"data": RunsAProgram(*attack)})}
    with pytest.raises(CourseError, match=r"test_batch in somewhere.*asks to run"):
        cifar_files.parse(contents, WHERE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"data": np.zeros((4, 3071), np.uint8)}, "3072 columns"),
        ({"data": np.zeros((4, 3072), np.float32)}, "uint8"),
        ({"data": "text"}, "uint8"),
        ({"labels": [1, 2, 3]}, "4 whole numbers"),
        ({"labels": [1, 2, 3, 10]}, "0 to 9"),
        ({"labels": [1, 2, 3, 0.5]}, "4 whole numbers"),
    ],
)
def test_contents_of_another_kind_are_named(changed: dict[str, Any], words: str) -> None:
    batch = {"data": np.zeros((4, 3072), np.uint8), "labels": [0, 1, 2, 3]} | changed
    with pytest.raises(CourseError, match=rf"data_batch_3 in somewhere.*{words}"):
        cifar_files.parse(official() | {"data_batch_3": pickle.dumps(batch)}, WHERE)


@pytest.mark.parametrize("length", [0, 10, 1000, -3])
def test_a_file_cut_off_is_named(length: int) -> None:
    contents = official()
    with pytest.raises(CourseError, match="data_batch_2 in somewhere"):
        cifar_files.parse(contents | {"data_batch_2": contents["data_batch_2"][:length]}, WHERE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name, content in official().items():
        (tmp_path / name).write_bytes(content)
    assert cifar_files.read_folder(tmp_path) == official()
    (tmp_path / "data_batch_4").unlink()
    with pytest.raises(CourseError, match="data_batch_4"):
        cifar_files.read_folder(tmp_path)


def test_an_archive_is_read_and_nothing_is_written(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", official())
    assert cifar_files.read_archive(path) == official()
    assert list(tmp_path.iterdir()) == [path]


def test_members_with_names_outside_the_folder_are_not_taken(tmp_path: Path) -> None:
    for folder in ("..", "/", f"../{cifar_files.FOLDER}", f"{cifar_files.FOLDER}/.."):
        with pytest.raises(CourseError, match="lacks batches"):
            cifar_files.read_archive(archive(tmp_path / "a.tar.gz", official(), folder))


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for name in FILES:
            member = tarfile.TarInfo(f"{cifar_files.FOLDER}/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    with pytest.raises(CourseError, match="lacks"):
        cifar_files.read_archive(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("length", [0, 100, -5000])
def test_an_archive_cut_off_is_named(tmp_path: Path, length: int) -> None:
    path = archive(tmp_path / "a.tar.gz", official())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CourseError, match=r"a\.tar\.gz is damaged or cut off"):
        cifar_files.read_archive(path)
