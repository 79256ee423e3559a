"""Decoded data on disk: what comes back is what went in, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from course_lib.data import decoded
from course_lib.data.images import ImageSet, Splits


def splits() -> Splits:
    images = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4).to(torch.uint8)
    return Splits(*(ImageSet(images + i, torch.tensor([0, 1]), ("a", "b"), "words", True) for i in range(2)))


def same(a: ImageSet, b: ImageSet) -> bool:
    words = (a.classes, a.source, a.is_miniature) == (b.classes, b.source, b.is_miniature)
    return words and torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    decoded.write(tmp_path / "file", "key", splits())
    return tmp_path / "file"


def test_it_comes_back_as_it_was(stored: Path) -> None:
    found = decoded.read(stored, "key")
    assert found is not None
    assert all(same(got, want) for got, want in zip(found, splits(), strict=True))


def test_another_key_a_missing_file_and_another_format_are_not_read(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decoded.read(stored, "another key") is None
    assert decoded.read(stored.with_name("missing"), "key") is None
    monkeypatch.setattr(decoded, "FORMAT", "2")
    assert decoded.read(stored, "key") is None


def test_any_byte_damaged_afterwards_is_noticed(stored: Path) -> None:
    whole = stored.read_bytes()
    expected = splits()
    for place in range(0, len(whole), 3):
        stored.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = decoded.read(stored, "key")
        # Some bytes of the head mean nothing; no damage may reach words, pixels or labels.
        assert found is None or all(same(got, want) for got, want in zip(found, expected, strict=True))


@pytest.mark.parametrize("length", [0, 5, 200, -1])
def test_a_file_cut_off_is_not_read(stored: Path, length: int) -> None:
    stored.write_bytes(stored.read_bytes()[:length])
    assert decoded.read(stored, "key") is None
