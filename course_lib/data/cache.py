"""Where data is kept between runs, and how it gets there whole: locked, atomic, checked when read back.

Nothing half-written is ever read: a file is written under another name and renamed when it is complete, and what is
read back must have the checksum that was stored with it. A cache that cannot be used costs time, never a result.
"""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from course_lib.errors import CourseError

ENVIRONMENT_VARIABLE = "COURSE_CACHE"
PATIENCE = 2.0  # seconds of waiting for another process before a word is said

T = TypeVar("T")


def cache_folder() -> Path:
    """The folder for everything that the course keeps: COURSE_CACHE, or a folder in the user's own cache."""
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    else:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return parent / "image-classification-course"


def writable_folder() -> Path:
    """`cache_folder()`, made if need be; where it cannot be written, a temporary folder until this process ends.

    The second case is announced by a warning. Raises CourseError for a full disk.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(folder) from error
        return _temporary_folder(folder, error.strerror or str(error))


@cache
def _temporary_folder(instead_of: Path, reason: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="course-cache-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    warnings.warn(
        f"The cache {instead_of} cannot be written ({reason}). Using {folder} until this process ends; to keep data "
        f"between runs, set the environment variable {ENVIRONMENT_VARIABLE} to a folder that you can write.",
        stacklevel=2,
    )
    return folder


def disk_full(folder: Path, needed: int | None = None) -> CourseError:
    """The error for a full disk, with how much is needed where that is known (bytes)."""
    amount = f"; {needed / 1e6:,.0f} MB are needed" if needed else ""
    return CourseError(
        f"The disk that holds {folder} is full{amount}. Free some space, or set the environment variable "
        f"{ENVIRONMENT_VARIABLE} to a folder on another disk; what is there already is kept."
    )


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Only one process at a time gets past this for the same `path`; a process that dies lets go of it.

    Says a word after a while of waiting, because the other may be downloading. The folder must be writable.
    """
    from filelock import FileLock, Timeout  # a dependency of torch

    handle = FileLock(path.with_name(path.name + ".lock"))
    try:
        handle.acquire(timeout=PATIENCE)
    except Timeout:
        warnings.warn(f"Waiting for another process that is filling {path} ...", stacklevel=3)
        handle.acquire()
    try:
        yield
    finally:
        handle.release()


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A name to write to in place of `path`: renamed to it if all goes well, removed if not (Ctrl-C included).

    Hold `lock(path)`: what an earlier process that was killed left under that name is then overwritten.
    Raises CourseError for a full disk, OSError for other refusals.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(path.parent) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def kept(name: str, *, read: Callable[[Path], T | None], make: Callable[[], T], write: Callable[[Path, T], None]) -> T:
    """What `make()` returns, kept under `name` in the cache: made once, whoever and how many ask for it.

    read: gives what is kept at a path, None where that is missing, damaged or out of date: then it is made anew.
    Raises only what `make` raises: where the cache cannot be written, says so in a warning and goes on from memory.
    """
    if (found := read(cache_folder() / name)) is not None:
        return found
    with ExitStack() as held:
        try:
            path = writable_folder() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(lock(path))
        except (OSError, CourseError) as error:
            # No space for the lock, a file in a folder's place, a network disk without locks: do without the cache.
            warnings.warn(f"Not kept for the next time: {error}", stacklevel=2)
            return make()
        # The process that held the lock before this one has perhaps done the work.
        if (found := read(path)) is not None:
            return found
        made = make()
        try:
            write(path, made)
        except (OSError, CourseError) as error:
            warnings.warn(f"Not kept for the next time: {error}", stacklevel=2)
        return made
