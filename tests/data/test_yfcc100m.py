"""YFCC100M: each line becomes a record, in a stream, from any packing, and a malformed line is named."""

import bz2
import gzip
import shutil
from itertools import islice
from pathlib import Path

import pytest

from course_lib.data import yfcc100m
from course_lib.errors import CourseError

# A line as the README of the data set describes it; the photographer and the photo are made up.
LINE = "\t".join(
    [
        "7", "6985418911", "4e2f7a26a1dfbf165a7e30bdabf7e72a", "39089491@N00", "a+nickname", "2012-02-16 09:56:37.0",
        "1331840483", "Canon+PowerShot+ELPH+310+HS", "My+caf%C3%A9%2C+again", "first+line%0Asecond", "canon,blue+sky",
        "geo:lat=24.5,uploaded:by=instagram", "-81.804885", "24.550558", "12",
        "http://www.flickr.com/photos/39089491@N00/6985418911/", "http://farm8.staticflickr.com/7205/6985418911_d.jpg",
        "Attribution License", "http://creativecommons.org/licenses/by/2.0/", "7205", "8", "df7747990d", "692d7e0a7f",
        "jpg", "0",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yfcc100m")
    yfcc100m.miniature(folder, lines=40, pictures=8)
    return folder


def write(folder: Path, lines: list[str], autotags: list[str] | None = None) -> Path:
    (folder / "yfcc100m_dataset").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if autotags is not None:
        (folder / "yfcc100m_autotags").write_text("\n".join(autotags) + "\n", encoding="utf-8")
    return folder


def test_a_line_becomes_a_record_with_its_text_decoded(tmp_path: Path) -> None:
    tags = ["6985418911\toutdoor:0.9,blue+sky:0.52"]
    (photo,) = yfcc100m.open(write(tmp_path, [LINE], tags))
    assert photo.identifier == "6985418911"
    assert photo.title == "My café, again"
    assert photo.description == "first line\nsecond"
    assert photo.user_tags == ("canon", "blue sky")
    assert photo.machine_tags == ("geo:lat=24.5", "uploaded:by=instagram")
    assert photo.autotags == (("outdoor", 0.9), ("blue sky", 0.52))
    assert (photo.longitude, photo.latitude) == (-81.804885, 24.550558)
    assert photo.date_uploaded == 1331840483
    assert photo.licence_name == "Attribution License"
    assert not photo.is_video
    assert photo.picture is None


def test_the_first_edition_has_two_columns_less(tmp_path: Path) -> None:
    columns = LINE.split("\t")
    (photo,) = yfcc100m.open(write(tmp_path, ["\t".join([columns[1], *columns[3:]])]))
    assert (photo.identifier, photo.hash) == ("6985418911", "")
    assert photo.user_tags == ("canon", "blue sky")
    assert photo.download_url.endswith("6985418911_d.jpg")


def test_what_the_uploader_left_empty_is_empty(tmp_path: Path) -> None:
    columns = LINE.split("\t")
    for empty in (6, 8, 10, 11, 12, 13):
        columns[empty] = ""
    columns[24] = "1"
    (photo,) = yfcc100m.open(write(tmp_path, ["\t".join(columns)], ["6985418911\t"]))
    assert (photo.user_tags, photo.machine_tags, photo.autotags) == ((), (), ())
    assert (photo.longitude, photo.latitude, photo.date_uploaded) == (None, None, None)
    assert photo.is_video


def test_all_packings_give_the_same_records(drawn: Path, tmp_path: Path) -> None:
    expected = list(yfcc100m.open(drawn))
    text = bz2.decompress((drawn / "yfcc100m_dataset.bz2").read_bytes())
    copy = Path(shutil.copytree(drawn, tmp_path / "copy"))
    (copy / "yfcc100m_dataset.bz2").unlink()
    (copy / "yfcc100m_dataset.gz").write_bytes(gzip.compress(text))
    as_gzip = [(photo.identifier, photo.autotags) for photo in yfcc100m.open(copy)]
    (copy / "yfcc100m_dataset.gz").unlink()
    lines = text.splitlines(keepends=True)
    for part, first in enumerate(range(0, 40, 25)):
        (copy / f"yfcc100m_dataset-{part}.bz2").write_bytes(bz2.compress(b"".join(lines[first : first + 25])))
    in_parts = [(photo.identifier, photo.autotags) for photo in yfcc100m.open(copy)]
    assert as_gzip == in_parts == [(photo.identifier, photo.autotags) for photo in expected]


def test_pictures_are_found_by_their_hash(drawn: Path) -> None:
    photos = list(yfcc100m.open(drawn))
    seen = [photo for photo in photos if photo.picture]
    assert seen
    assert seen[0].read().shape == (3, 94, 125)
    assert seen[0].picture.parent == drawn / "data" / "images" / seen[0].hash[:3] / seen[0].hash[3:6]
    with pytest.raises(CourseError, match="no picture"):
        next(photo for photo in photos if photo.picture is None).read()


def test_reading_is_a_stream(tmp_path: Path) -> None:
    """The first record comes before a broken line further on is seen, so nothing is read ahead."""
    folder = write(tmp_path, [LINE, LINE, "broken"])
    assert len(list(islice(yfcc100m.open(folder), 2))) == 2


def test_workers_of_a_data_loader_share_the_lines(drawn: Path) -> None:
    from torch.utils.data import DataLoader

    loader = DataLoader(yfcc100m.open(drawn), batch_size=None, num_workers=2)
    shared = sorted((photo.identifier, photo.autotags) for photo in loader)
    assert shared == sorted((photo.identifier, photo.autotags) for photo in yfcc100m.open(drawn))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.rpartition("\t")[0], "line 2: expected 25 columns .* found 24"),
        (lambda line: line[:-1] + "2", "line 2: the last column is 0 for a photo"),
        (lambda line: line.replace("-81.8", "west"), "line 2: could not convert"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, change, message: str) -> None:
    folder = write(tmp_path, [LINE, change(LINE)])
    with pytest.raises(CourseError, match=message):
        list(yfcc100m.open(folder))


def test_autotags_out_of_step_are_refused_rather_than_given_to_another_photo(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="line 1: photo 6985418911, but the autotags are out of step"):
        list(yfcc100m.open(write(tmp_path, [LINE], ["123\toutdoor:0.9"])))
    with pytest.raises(CourseError, match=r"line 2: .* nothing"):
        list(yfcc100m.open(write(tmp_path, [LINE, LINE], ["6985418911\toutdoor:0.9"])))


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_truncated_file_is_named(drawn: Path, tmp_path: Path, keep: float) -> None:
    packed = (drawn / "yfcc100m_dataset.bz2").read_bytes()
    (tmp_path / "yfcc100m_dataset.bz2").write_bytes(packed[: int(len(packed) * keep)])
    with pytest.raises(CourseError, match=r"yfcc100m_dataset\.bz2 breaks off"):
        list(yfcc100m.open(tmp_path))


def test_a_folder_without_the_metadata_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"yfcc100m_dataset\.bz2 is missing\. Expected here: YFCC100M"):
        yfcc100m.open(tmp_path)


def test_without_a_folder_the_miniature_is_used(cache: Path, monkeypatch) -> None:
    monkeypatch.delenv(yfcc100m.ENVIRONMENT_VARIABLE, raising=False)
    photos = yfcc100m.open()
    assert photos.is_miniature
    assert "miniature" in repr(photos)
    assert len(yfcc100m.sample(photos, 5)) == 5
