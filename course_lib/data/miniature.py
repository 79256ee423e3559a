"""The miniature: CIFAR-10's stand-in, drawn by the course in the official file layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from course_lib.data import cifar_files
from course_lib.data.cache import cache_folder

TRAIN_IMAGES, TEST_IMAGES = 10_000, 2_000


def folder() -> Path:
    """Where the drawn files are kept."""
    return cache_folder() / "cifar10-miniature" / cifar_files.FOLDER


def files() -> dict[str, bytes]:
    """The contents of the official files."""
    a_file = TRAIN_IMAGES // len(cifar_files.TRAIN_FILES)
    contents = {cifar_files.META_FILE: cifar_files.pack_meta(a_file, miniature=True)}
    rng = np.random.default_rng(0)
    for name in (*cifar_files.TRAIN_FILES, cifar_files.TEST_FILE):
        labels = rng.permutation(np.arange(a_file) % 10)
        pixels = rng.integers(0, 100, (a_file, 3, 32, 32)) + labels[:, None, None, None] * 15
        contents[name] = cifar_files.pack(pixels.astype(np.uint8), labels, name)
    return contents
