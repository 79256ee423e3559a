"""The official files of CIFAR-10, `cifar-10-batches-py/data_batch_1 ...`: read, and written for the miniature.

They are Python pickles, and a pickle can run any program while it is read. These are read by an unpickler that knows
arrays and nothing else: a data file is no place for code.
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course_lib.data.images import ImageSet, Splits
from course_lib.errors import CourseError

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
IMAGE_SIZE = (32, 32)
FOLDER = "cifar-10-batches-py"
TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILE, META_FILE = "test_batch", "batches.meta"
FILES = (*TRAIN_FILES, TEST_FILE, META_FILE)
LARGEST_FILE = 64 * 2**20  # bytes; the official ones have 31 MB


def read_folder(folder: Path) -> dict[str, bytes]:
    """The contents of the seven files. Raises CourseError where one is missing or cannot be read."""
    contents = {}
    for name in FILES:
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise CourseError(
                f"{folder / name} cannot be read ({error.strerror}). Extract the archive again: {FOLDER} has the files "
                f"{', '.join(FILES)}."
            ) from error
    return contents


def read_archive(archive: Path) -> dict[str, bytes]:
    """The same from the .tar.gz, member by member: nothing is extracted, so nothing can land outside a folder."""
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                folder, _, name = member.name.removeprefix("./").rpartition("/")
                wanted = folder == FOLDER and name in FILES and member.isfile() and member.size <= LARGEST_FILE
                if wanted and (file := tar.extractfile(member)) is not None:
                    contents[name] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise CourseError(
            f"The archive {archive} is damaged or cut off ({error}). Delete it and fetch it again: course data fetch."
        ) from error
    if missing := sorted(set(FILES) - set(contents)):
        raise CourseError(f"The archive {archive} lacks {', '.join(missing)} in {FOLDER}. Is it CIFAR-10 for Python?")
    return contents


def parse(contents: Mapping[str, bytes], where: Path) -> Splits:
    """The two splits in the contents of the seven files.

    Raises CourseError naming the file, in the folder or archive `where`, that holds something else.
    """
    meta = _load(contents, META_FILE, where)
    classes = tuple(_text(name) for name in meta.get("label_names", ()))
    if len(classes) < 2:
        raise _malformed(where, META_FILE, "it lists no class names")
    is_miniature = bool(meta.get("miniature", False))
    source = "CIFAR-10 miniature" if is_miniature else "CIFAR-10"
    batches = {name: _batch(contents, name, len(classes), where) for name in (*TRAIN_FILES, TEST_FILE)}

    def split(*names: str) -> ImageSet:
        pixels = np.concatenate([batches[name][0] for name in names])
        labels = np.concatenate([batches[name][1] for name in names])
        return ImageSet(torch.from_numpy(pixels), torch.from_numpy(labels), classes, source, is_miniature)

    return Splits(train=split(*TRAIN_FILES), test=split(TEST_FILE))


def pack(pixels: np.ndarray, labels: np.ndarray, name: str) -> bytes:
    """One official file of uint8 images (N, 3, 32, 32) with labels (N,)."""
    return pickle.dumps(
        {
            "batch_label": name,
            "labels": labels.tolist(),
            "data": np.ascontiguousarray(pixels.reshape(len(pixels), -1)),
            "filenames": [f"{name}_{number:05d}.png" for number in range(len(pixels))],
        },
        protocol=4,
    )


def pack_meta(images_a_file: int, **more: Any) -> bytes:
    """The file with the class names."""
    meta = {"label_names": list(CIFAR10_CLASSES), "num_cases_per_batch": images_a_file, "num_vis": 3072}
    return pickle.dumps(meta | more, protocol=4)


def _batch(contents: Mapping[str, bytes], name: str, classes: int, where: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (N, 3, 32, 32) and labels int64 (N,) of one file."""
    batch = _load(contents, name, where)
    pixels, labels = batch.get("data"), batch.get("labels")
    width = 3 * IMAGE_SIZE[0] * IMAGE_SIZE[1]
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (width,):
        raise _malformed(where, name, f"'data' is no uint8 array of {width} columns")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(type(label) is int for label in labels):
        raise _malformed(where, name, f"'labels' are not {len(pixels)} whole numbers")
    if any(not 0 <= label < classes for label in labels):
        raise _malformed(where, name, f"there are labels outside 0 to {classes - 1}")
    return pixels.reshape(-1, 3, *IMAGE_SIZE), np.array(labels, dtype=np.int64)


def _load(contents: Mapping[str, bytes], name: str, where: Path) -> dict[str, Any]:
    try:
        # The official files were written by Python 2, whose texts are bytes.
        loaded = _ArraysOnly(io.BytesIO(contents[name]), encoding="bytes").load()
    # What a damaged pickle raises depends on where it is damaged: anything at all.
    except Exception as error:
        raise _malformed(where, name, str(error) or type(error).__name__) from error
    if not isinstance(loaded, dict):
        raise _malformed(where, name, "it holds no dictionary")
    return {_text(key): value for key, value in loaded.items()}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _malformed(where: Path, name: str, why: str) -> CourseError:
    return CourseError(f"{name} in {where} is no file of CIFAR-10, or damaged: {why}. Fetch or extract it again.")


class _ArraysOnly(pickle.Unpickler):
    """Admits what a pickled array of numbers needs, and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        # numpy 2 moved these from `core` to `_core`; files of both are read by both.
        if module in {"numpy.core.multiarray", "numpy._core.multiarray"} and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        if module in {"numpy.core.numeric", "numpy._core.numeric"} and name == "_frombuffer":
            return np.empty(0).__reduce_ex__(5)[0]
        if (module, name) == ("_codecs", "encode"):
            return _encode_latin1
        raise pickle.UnpicklingError(f"it asks to run {module}.{name}, which no data file needs")


def _encode_latin1(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes into an old pickle, and nothing else that codecs can do."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding}, which no data file needs")
    return text.encode("latin-1")
