"""CIFAR-10 from wherever it is: the order of the sources, and what a reader sees when one of them is at fault."""

from __future__ import annotations

import hashlib
import importlib
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from course_lib import data
from course_lib.data import download, miniature
from course_lib.errors import CourseError
from tests.data.servers import serving
from tests.data.test_cifar_files import archive, official

# `course_lib.data.cifar10` is the function; this is the file it stands in.
module: ModuleType = importlib.import_module("course_lib.data.cifar10")


@pytest.fixture(autouse=True)
def small(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "IMAGES_A_FILE", 10)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An "official" archive of 24 pictures, with the constants that go with it."""
    path = archive(tmp_path / module.ARCHIVE_NAME, official())
    monkeypatch.setattr(module, "ARCHIVE_BYTES", path.stat().st_size)
    monkeypatch.setattr(module, "ARCHIVE_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    return path


def extracted(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in official().items():
        (folder / name).write_bytes(content)
    return folder


def pictures(folder: Path) -> Path:
    for split in ("train", "test"):
        for label, name in enumerate(data.CIFAR10_CLASSES):
            (folder / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32), (label, label, label)).save(folder / split / name / "0.png")
    return folder


def test_the_archive_its_folder_the_folder_around_it_and_pictures_are_all_read(copy: Path, tmp_path: Path) -> None:
    inner = extracted(tmp_path / "data" / "cifar-10-batches-py")
    for source in (copy, inner, inner.parent, str(inner)):
        train, test = data.cifar10(source)
        assert (len(train), len(test), train.source, train.is_miniature) == (20, 4, "CIFAR-10", False)
    train, _ = data.cifar10(pictures(tmp_path / "pictures"))
    assert train.source == "CIFAR-10 (image folder)"
    assert train.labels.tolist() == train.images[:, 0, 0, 0].tolist() == list(range(10))


def test_the_environment_variable_names_the_copy_and_the_argument_wins(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_CIFAR10", str(copy))
    assert len(data.cifar10().train) == 20
    assert len(data.cifar10(pictures(tmp_path / "pictures")).train) == 10


def test_pictures_are_decoded_once_and_again_when_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "pictures")
    first = data.cifar10(folder).train
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_image_folder", None)
        assert torch.equal(data.cifar10(folder).train.images, first.images)
    Image.new("RGB", (32, 32), "white").save(folder / "train" / "cat" / "0.png")
    assert data.cifar10(folder).train.images[3].min() == 255


def test_a_cached_copy_damaged_afterwards_is_noticed_and_made_again(tmp_path: Path, cache: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    first = data.cifar10(folder).train
    (kept,) = cache.glob("*.safetensors")
    whole = kept.read_bytes()
    for damaged in (whole[:-100], whole[:-100] + b"x" * 100, b""):
        kept.write_bytes(damaged)
        assert torch.equal(data.cifar10(folder).train.images, first.images)
        assert kept.read_bytes() == whole


def test_a_truncated_archive_says_how_much_is_there(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:500])
    with pytest.raises(CourseError, match=r"is cut off: it has 500 bytes.*course data fetch"):
        data.cifar10(copy)


def test_an_archive_with_the_wrong_md5_is_not_read(copy: Path) -> None:
    whole = copy.read_bytes()
    copy.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CourseError, match=r"is damaged: its MD5 is"):
        data.cifar10(copy)


def test_a_copy_that_is_not_there_or_nothing_known_is_an_error_and_never_the_miniature(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="does not exist"):
        data.cifar10(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match=r"none of the known layouts.*train/<class>"):
        data.cifar10(tmp_path / "empty")


def test_without_a_copy_or_a_network_the_miniature_is_announced() -> None:
    with pytest.warns(UserWarning, match=r"(?s)COURSE_OFFLINE.*These are not photographs"):
        train, test = data.cifar10()
    assert train.is_miniature
    assert (len(train), len(test)) == (50, 10)
    with pytest.warns(UserWarning, match=r"(?s)switched off.*These are not photographs"):
        data.cifar10(download=False)


def test_no_network_is_noticed_and_ends_in_the_miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_OFFLINE")
    with serving(b"") as gone:
        pass
    monkeypatch.setattr(module, "MIRRORS", (gone.url,))
    with pytest.warns(UserWarning, match=r"(?s)no network.*These are not photographs"):
        assert data.cifar10().train.is_miniature


def test_it_is_downloaded_once_then_read_from_the_cache(
    copy: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSE_OFFLINE")
    with serving(copy.read_bytes()) as mirror:
        monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
        assert len(data.cifar10().train) == 20
        assert mirror.asked_from == [0]
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    assert not data.cifar10().train.is_miniature
    assert module.fetch() == cache / module.ARCHIVE_NAME


def test_an_archive_in_the_cache_that_was_damaged_is_fetched_again(
    copy: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSE_OFFLINE")
    cache.mkdir()
    (cache / module.ARCHIVE_NAME).write_bytes(b"damaged")
    with serving(copy.read_bytes()) as mirror:
        monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
        with pytest.warns(UserWarning, match="is cut off"):
            assert len(data.cifar10().train) == 20


def test_mirrors_with_wrong_contents_are_an_error_not_the_miniature(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSE_OFFLINE")
    with serving(copy.read_bytes()[::-1]) as liar:
        monkeypatch.setattr(module, "MIRRORS", (liar.url,))
        with pytest.raises(CourseError, match="wrong contents"):
            data.cifar10()


def test_a_cache_that_cannot_be_written_costs_a_word_and_not_the_lesson(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a-file" / str(time.monotonic_ns())))
    with pytest.warns(UserWarning, match="cannot be written"):
        assert len(data.cifar10(copy).train) == 20
    with pytest.warns(UserWarning, match="These are not photographs"):
        assert data.cifar10().train.is_miniature


def test_the_status_names_what_would_be_read_and_downloads_nothing(
    copy: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.status() == module.Status("miniature: no copy here, and COURSE_OFFLINE forbids downloading", None, 0)
    monkeypatch.delenv("COURSE_OFFLINE")
    assert "would be downloaded" in str(module.status())
    assert not cache.exists()
    cache.mkdir()
    download.partial(cache / module.ARCHIVE_NAME).write_bytes(b"x" * 100_000)
    assert "begun: 0.1 of" in str(module.status())
    (cache / module.ARCHIVE_NAME).write_bytes(b"x" * 200_000)
    assert "in the cache" in str(module.status())
    assert "(0.2 MB)" in str(module.status())
    monkeypatch.setenv("COURSE_CIFAR10", str(copy))
    assert module.status() == module.Status("official archive, from COURSE_CIFAR10", copy, copy.stat().st_size)
    monkeypatch.setenv("COURSE_CIFAR10", str(copy.parent / "nowhere"))
    with pytest.raises(CourseError, match="does not exist"):
        module.status()
