"""The miniature: the same pictures everywhere, in the official layout, whole or drawn again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.data import cifar_files, miniature
from course_lib.data.miniature import CHECKSUMS, draw
from course_lib.data.silhouettes import SILHOUETTES


@pytest.fixture
def small(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """20 pictures a file in place of 2,000; the folder they are kept in."""
    monkeypatch.setattr(miniature, "IMAGES_A_FILE", 20)
    return miniature.folder()


def test_the_pictures_are_the_same_on_every_machine() -> None:
    drawn = draw(np.arange(50) % 10, np.random.RandomState(0))
    assert (
        hashlib.sha256(drawn.tobytes()).hexdigest()
        == "e50cd8f58cf37899c6c203cbdf4be3d4717b3dabf4c30f88bf2f055da658539e"
    )


def test_a_picture_shows_its_class_and_differs_from_the_next() -> None:
    drawn = draw(np.arange(100) % 10, np.random.RandomState(1))
    assert drawn.shape == (100, 3, 32, 32)
    assert drawn.dtype == np.uint8
    assert len({picture.tobytes() for picture in drawn}) == 100
    assert 40 < drawn.std() < 90
    assert tuple(SILHOUETTES) == cifar_files.CIFAR10_CLASSES


def test_every_silhouette_is_in_the_picture_and_leaves_room_around_it() -> None:
    ticks = np.linspace(-1, 1, 64, dtype=np.float32)
    x, y = np.broadcast_to(ticks[None, None], (8, 64, 64)), np.broadcast_to(ticks[None, :, None], (8, 64, 64))
    random = np.random.RandomState(0)
    for name, silhouette in SILHOUETTES.items():
        parts = silhouette(x, y, lambda low, high: random.uniform(low, high, (8, 1, 1)).astype(np.float32))
        share = np.max([distance > 0 for distance, _ in parts], axis=0).mean((1, 2))
        assert ((share > 0.06) & (share < 0.6)).all(), name


def test_it_is_written_in_the_official_layout_and_says_what_it_is(small: Path) -> None:
    contents = miniature.files()
    assert cifar_files.read_folder(small) == contents
    train, test = cifar_files.parse(contents, small)
    assert train.is_miniature
    assert "miniature" in test.source
    assert train.class_counts().tolist() == [10] * 10
    assert test.class_counts().tolist() == [2] * 10
    assert not torch.equal(train.images[:20], test.images)


def test_the_second_time_it_is_read_not_drawn(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = miniature.files()
    monkeypatch.setattr(miniature, "draw", None)
    assert miniature.files() == first


@pytest.mark.parametrize("name", ["data_batch_2", "batches.meta", CHECKSUMS])
@pytest.mark.parametrize("damage", ["changed", "cut off", "gone"])
def test_damage_is_noticed_and_drawn_again(small: Path, name: str, damage: str) -> None:
    first = miniature.files()
    whole = (small / name).read_bytes()
    if damage == "gone":
        (small / name).unlink()
    else:
        (small / name).write_bytes(whole[:-1] + (b"\xff" if damage == "changed" else b""))
    assert miniature.files() == first
    assert (small / name).read_bytes() == whole
