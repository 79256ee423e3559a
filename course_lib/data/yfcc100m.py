"""YFCC100M from disk: a hundred million lines of metadata, read as a stream, with pictures where there are any.

    yfcc100m_dataset.bz2        one line a photo or video: 25 columns between tabs (23 in the first edition, without
                                line number and hash; that edition comes in ten parts, yfcc100m_dataset-0.bz2 to -9.bz2)
    yfcc100m_autotags.bz2       in the same order: identifier, tab, concept:score,concept:score,...
    data/images/<3>/<3>/<hash>.jpg      pictures, as the Multimedia Commons keeps them: folders by digits of the hash

Packed with bzip2 or gzip, or not at all. Source: Thomee et al., "YFCC100M: The New Data in Multimedia Research", 2016.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import itertools
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote_plus, unquote_plus

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from course_lib.data import facts, folders, scenes
from course_lib.errors import CourseError

FACTS = facts.YFCC100M
ENVIRONMENT_VARIABLE = "COURSE_YFCC100M"
LAYOUT = (
    "YFCC100M as distributed: yfcc100m_dataset.bz2 (or .gz, or unpacked; or the parts yfcc100m_dataset-0.bz2 ...), "
    "beside it yfcc100m_autotags.bz2, and pictures, if any, as data/images/<3 digits>/<3 digits>/<hash>.jpg."
)

COLUMNS = (
    "line_number", "identifier", "hash", "user_nsid", "user_nickname", "date_taken", "date_uploaded", "capture_device",
    "title", "description", "user_tags", "machine_tags", "longitude", "latitude", "accuracy", "page_url",
    "download_url", "licence_name", "licence_url", "server", "farm", "secret", "original_secret", "extension", "marker",
)  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """One line. Text is decoded (the file writes spaces as "+"); what the uploader left empty is "", () or None.

    user_tags: words the uploader typed. machine_tags: `namespace:predicate=value`, written by programs (Flickr's term).
    autotags: (concept, score in [0.5, 1]) found in the picture by classifiers, in a later expansion pack.
    """

    identifier: str
    hash: str
    user_nsid: str
    user_nickname: str
    date_taken: str
    date_uploaded: int | None  # seconds since 1970
    capture_device: str
    title: str
    description: str
    user_tags: tuple[str, ...]
    machine_tags: tuple[str, ...]
    longitude: float | None
    latitude: float | None
    page_url: str
    download_url: str
    licence_name: str
    licence_url: str
    is_video: bool
    autotags: tuple[tuple[str, float], ...]
    picture: Path | None  # where it lies, None where this copy has no picture of it

    def read(self) -> Tensor:
        """The picture, uint8 (3, H, W). Raises CourseError where this copy has none."""
        if self.picture is None:
            raise CourseError(f"This copy of YFCC100M has no picture {self.identifier}; its page is {self.page_url}.")
        return folders.read_image(self.picture)


class YFCC100M(IterableDataset[Photo]):
    """The lines in the file's order, one at a time; a DataLoader's workers share them out among each other.

    Raises CourseError with the file and the line where a line is malformed or the autotags are out of step.
    """

    def __init__(self, found: folders.Found):
        self.is_miniature, self.source, self._root = found.is_miniature, found.source("YFCC100M"), found.folder
        parts = [path for n in range(10) for path in _versions(self._root, f"yfcc100m_dataset-{n}")[:1]]
        self._files = _versions(self._root, "yfcc100m_dataset")[:1] or parts
        if not self._files:
            raise folders.missing(self._root / "yfcc100m_dataset.bz2", LAYOUT)
        autotags = _versions(self._root, "yfcc100m_autotags") or _versions(self._root, "yfcc100m_autotags-v1")
        self._autotags = autotags[0] if autotags else None

    def __iter__(self) -> Iterator[Photo]:
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        with ExitStack() as opened:
            tags = opened.enter_context(_reader(self._autotags)) if self._autotags else None
            count = 0
            for file in self._files:
                for number, line in enumerate(opened.enter_context(_reader(file)), 1):
                    tag_line = next(tags, "") if tags is not None else None  # every worker keeps in step
                    if count % workers == mine:
                        yield self._photo(line, tag_line, file, number)
                    count += 1

    def _photo(self, line: str, tag_line: str | None, file: Path, number: int) -> Photo:
        values = line.rstrip("\r\n").split("\t")
        if len(values) not in (25, 23):
            raise CourseError(
                f"{file}, line {number}: expected 25 columns between tabs (23 in the first edition), "
                f"found {len(values)}."
            )
        row = dict(zip(COLUMNS if len(values) == 25 else [COLUMNS[1], *COLUMNS[3:]], values, strict=True))
        try:
            autotags = _autotags(tag_line, row["identifier"])
            if row["marker"] not in ("0", "1"):
                raise ValueError(f"the last column is 0 for a photo and 1 for a video, not {row['marker']!r}")
            coordinates = [float(row[key]) if row[key] else None for key in ("longitude", "latitude")]
            uploaded = int(row["date_uploaded"]) if row["date_uploaded"] else None
        except ValueError as error:
            raise CourseError(f"{file}, line {number}: {error}.") from None
        digest = row.get("hash", "")
        picture = self._root / "data" / "images" / digest[:3] / digest[3:6] / f"{digest}.jpg"
        text = {key: unquote_plus(row[key]) for key in ("user_nickname", "capture_device", "title", "description")}
        plain = ("identifier", "user_nsid", "date_taken", "page_url", "download_url", "licence_name", "licence_url")
        return Photo(
            **{key: row[key] for key in plain},
            **text,
            hash=digest,
            date_uploaded=uploaded,
            user_tags=_tags(row["user_tags"]),
            machine_tags=_tags(row["machine_tags"]),
            longitude=coordinates[0],
            latitude=coordinates[1],
            is_video=row["marker"] == "1",
            autotags=autotags,
            picture=picture if digest and picture.is_file() else None,
        )

    def __repr__(self) -> str:
        return f"{self.source}: a stream of the lines in {', '.join(file.name for file in self._files)}"


def open(folder: str | Path | None = None) -> YFCC100M:
    """YFCC100M in `folder`, else in the folder that COURSE_YFCC100M names, else the miniature."""
    return YFCC100M(folders.find(folder, ENVIRONMENT_VARIABLE, miniature, version="yfcc100m-1"))


def _versions(root: Path, name: str) -> list[Path]:
    return [path for ending in (".bz2", ".gz", "") if (path := root / f"{name}{ending}").is_file()]


class _reader:  # noqa: N801 - used like a function
    """Lines of a text file, packed or not; a file that breaks off is reported with the number of lines it gave."""

    def __init__(self, path: Path):
        self.path, self.lines = path, 0

    def __enter__(self) -> Iterator[str]:
        pack = {".bz2": bz2.open, ".gz": gzip.open}.get(self.path.suffix)
        # Only "\n" ends a line: titles hold characters that Python takes for line ends otherwise.
        self._file: IO[str] = (
            pack(self.path, "rt", encoding="utf-8", newline="\n")
            if pack
            else self.path.open(encoding="utf-8", newline="\n")
        )
        return self._read()

    def _read(self) -> Iterator[str]:
        try:
            for line in self._file:
                self.lines += 1
                yield line
        except (EOFError, OSError, UnicodeDecodeError) as error:
            raise CourseError(
                f"{self.path} breaks off or is broken after line {self.lines} ({error}). Download it again."
            ) from error

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def _tags(column: str) -> tuple[str, ...]:
    return tuple(unquote_plus(tag) for tag in column.split(",") if tag)


def _autotags(line: str | None, identifier: str) -> tuple[tuple[str, float], ...]:
    if line is None:
        return ()
    name, _, concepts = line.rstrip("\r\n").partition("\t")
    if name != identifier:
        raise ValueError(
            f"photo {identifier}, but the autotags are out of step: their line is about {name or 'nothing'}"
        )
    pairs = (tag.rpartition(":") for tag in concepts.split(",") if tag)
    return tuple((unquote_plus(concept), float(score)) for concept, _, score in pairs)


# What uploaders write beside the thing: the camera, the trip, a mood. The first are usual. Nothing here is from Flickr.
_CHATTER = (
    "canon",
    "nikon",
    "2010",
    "summer",
    "holiday",
    "family",
    "square format",
    "iphoneography",
    "me",
    "day 3",
    "best",
)
_DEVICES = ("Canon EOS 5D", "NIKON D90", "Apple iPhone 4", "")
_LICENCES = (
    ("Attribution-NonCommercial-ShareAlike License", "http://creativecommons.org/licenses/by-nc-sa/2.0/"),
    ("Attribution-NonCommercial-NoDerivs License", "http://creativecommons.org/licenses/by-nc-nd/2.0/"),
    ("Attribution License", "http://creativecommons.org/licenses/by/2.0/"),
)
# A few things are photographed all the time, most hardly ever: a Zipf-like tail.
_FREQUENCIES = dict(zip(("tree", "church", "car", "boat", "daisy", "bus", "balloon", "basketball", "goldfish"),
                        (60, 30, 20, 15, 12, 10, 8, 7, 6), strict=True))  # fmt: skip


def miniature(folder: Path, *, lines: int = 240, pictures: int = 48, seed: int = 0) -> None:
    """Write a drawn YFCC100M: 25 columns, autotags, and the pictures of the first `pictures` photos."""
    rng = random.Random(seed)
    rows, autotags = [], []
    for number in range(lines):
        kinds = rng.choices(list(_FREQUENCIES), weights=list(_FREQUENCIES.values()), k=rng.choice([1, 1, 2, 3]))
        background = rng.choice(["beach", "field", "street", "ocean", "snow", "desert"])
        identifier = str(3_000_000_000 + number * 7919)
        digest = hashlib.md5(identifier.encode(), usedforsecurity=False).hexdigest()
        is_video = rng.random() < 0.04
        rows.append("\t".join(_miniature_row(number, identifier, digest, kinds, background, is_video, rng)))
        seen = [background, *kinds, "outdoor"] if rng.random() < 0.95 else []
        autotags.append(f"{identifier}\t" + ",".join(f"{tag}:{rng.uniform(0.5, 1):.3f}" for tag in dict.fromkeys(seen)))
        if number < pictures and not is_video:
            things = [
                scenes.Placed(kind, rng.uniform(0.1, 0.9), rng.uniform(0.45, 0.75), rng.uniform(0.25, 0.7))
                for kind in kinds
            ]
            path = folder / "data" / "images" / digest[:3] / digest[3:6] / f"{digest}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            scenes.draw(background, things, size=(125, 94), rng=rng).picture.save(path, quality=92)
    for name, text in (("yfcc100m_dataset.bz2", rows), ("yfcc100m_autotags.bz2", autotags)):
        (folder / name).write_bytes(bz2.compress(("\n".join(text) + "\n").encode()))
    folders.mark_as_miniature(folder, "YFCC100M")


def _miniature_row(
    number: int, identifier: str, digest: str, kinds: list[str], background: str, is_video: bool, rng: random.Random
) -> list[str]:
    about = [word for word in dict.fromkeys([*kinds, background]) if rng.random() < 0.55]
    # A third of the uploads carries no tag at all.
    usual = rng.choices(_CHATTER, weights=[1 / rank for rank in range(1, len(_CHATTER) + 1)], k=rng.randint(0, 4))
    private = [f"trip {number}"] if rng.random() < 0.4 else []  # words that nobody else uses: most tags occur once
    words = [] if rng.random() < 0.32 else list(dict.fromkeys(about + usual + private))
    place = (f"{rng.uniform(-180, 180):.6f}", f"{rng.uniform(-60, 70):.6f}") if rng.random() < 0.48 else ("", "")
    machine = [f"geo:lat={place[1]}", f"geo:lon={place[0]}"] if place[0] and rng.random() < 0.2 else []
    machine += ["uploaded:by=instagram"] if rng.random() < 0.1 else []
    user = f"{rng.randint(10**7, 10**8)}@N0{rng.randint(0, 9)}"
    taken, uploaded = f"20{rng.randint(4, 13):02d}-07-{rng.randint(1, 28):02d} 12:30:00.0", str(1_300_000_000 + number)
    title = rng.choice([f"IMG_{rng.randint(1, 9999):04d}", " ".join(about).title(), "Untitled", "A day out"])
    licence, secret = rng.choice(_LICENCES), digest[:10]
    return [
        str(number), identifier, digest, user, f"drawn+user+{number % 17}", taken, uploaded,
        quote_plus(rng.choice(_DEVICES)), quote_plus(title), "", ",".join(quote_plus(word) for word in words),
        ",".join(quote_plus(tag) for tag in machine), *place, "16" if place[0] else "",
        f"http://www.flickr.com/photos/{user}/{identifier}/", f"http://farm1.staticflickr.com/1/{identifier}_{secret}.jpg",
        *licence, "1", "1", secret, secret[::-1], "jpg", str(int(is_video)),
    ]  # fmt: skip


def sample(photos: YFCC100M, count: int) -> list[Photo]:
    """The first `count` lines."""
    return list(itertools.islice(photos, count))
