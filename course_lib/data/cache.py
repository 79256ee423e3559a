"""Where data is kept between runs, and how it gets there whole: locked, atomic, checked when read back.

Nothing half-written is ever read: a file is written under another name and renamed when it is complete, and what is
read back must have the checksum that was stored with it. A cache that cannot be used costs time, never a result.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.images import ImageSet, Splits
from course_lib.errors import CourseError

ENVIRONMENT_VARIABLE = "COURSE_CACHE"
FORMAT = "1"  # raise it when the stored form changes: older files are then made anew


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

    Says a word after 2 s of waiting, because the other may be downloading. The folder must be writable.
    """
    from filelock import FileLock, Timeout  # a dependency of torch

    handle = FileLock(path.with_name(path.name + ".lock"))
    try:
        handle.acquire(timeout=2)
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
    Raises CourseError for a full disk.
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


def kept(name: str, key: str, make: Callable[[], Splits]) -> Splits:
    """What `make()` returns, from the file `name` in the cache where that was made for the same `key`.

    `key` is whatever the result depends on: another key, a damaged file or an unreadable one makes it anew.
    Raises only what `make` raises: where the cache cannot be written it says so in a warning and goes on from memory.
    """
    path = cache_folder() / name
    if (found := read(path, key)) is not None:
        return found
    with ExitStack() as held:
        try:
            path = writable_folder() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(lock(path))
        except (OSError, CourseError) as error:
            # No space for the lock, a file in a folder's place, a network disk without locks: do without the cache.
            warnings.warn(f"Not cached: {error}", stacklevel=2)
            return make()
        # The process that held the lock before this one has perhaps done the work.
        if (found := read(path, key)) is not None:
            return found
        splits = make()
        write(path, key, splits)
        return splits


def write(path: Path, key: str, splits: Splits) -> None:
    """Both halves of a data set as one safetensors file with a checksum; a full disk is only a warning."""
    from safetensors.torch import save_file

    tensors = _tensors(splits)
    about = {
        "format": FORMAT,
        "key": key,
        "sha256": _checksum(tensors),
        "classes": json.dumps(splits.train.classes),
        "source": splits.train.source,
        "is_miniature": json.dumps(splits.train.is_miniature),
    }
    try:
        with atomic(path) as partial:
            save_file(tensors, partial, about)
    except (CourseError, OSError) as error:
        warnings.warn(f"Not cached: {error}", stacklevel=3)
    except Exception as error:
        # safetensors raises its own kind of error for what the operating system refuses.
        if type(error).__name__ != "SafetensorError":
            raise
        warnings.warn(f"Not cached: {path} cannot be written ({error}).", stacklevel=3)


def read(path: Path, key: str) -> Splits | None:
    """What `write` stored under the same `key`; None where there is nothing, something else or something damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT or about.get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if about["sha256"] != _checksum(tensors):
            return None
        classes, is_miniature = tuple(json.loads(about["classes"])), json.loads(about["is_miniature"])
        return Splits(
            *(
                ImageSet(tensors[f"{split}.images"], tensors[f"{split}.labels"], classes, about["source"], is_miniature)
                for split in Splits._fields
            )
        )
    except (OSError, SafetensorError, KeyError, ValueError, CourseError):
        return None


def _tensors(splits: Splits) -> dict[str, Tensor]:
    return {
        f"{name}.{part}": getattr(split, part).contiguous()
        for name, split in splits._asdict().items()
        for part in ("images", "labels")
    }


def _checksum(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}".encode())
        digest.update(memoryview(tensors[name].contiguous().view(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
