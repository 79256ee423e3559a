"""Where in a large CSV file the rows of each picture stand: one pass over it, sixteen bytes of memory a row."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from course_lib.errors import CourseError

T = TypeVar("T")


class RowIndex:
    """Rows of `path` by picture, for the pictures wanted.

    columns: the columns that must be there, comma-separated; more are fine, and so is another order.
    image_ids: hexadecimal numbers of 16 digits, Open Images' names for pictures.
    Raises CourseError for a missing column or a row without a picture's name.
    """

    def __init__(self, path: Path, columns: str, image_ids: Sequence[str]):
        self.path, self.columns = path, columns
        wanted = {_number(image_id) for image_id in image_ids}
        numbers, offsets = array("Q"), array("Q")
        with path.open("rb") as lines:
            header = lines.readline()
            self.header = header.decode("utf-8-sig").strip().split(",")
            absent = [column for column in columns.split(",") if column not in self.header]
            if absent:
                raise CourseError(f"{path} has no column {absent[0]}. Its first line must name: {columns}")
            position = self.header.index("ImageID")
            offset = len(header)
            for line in lines:
                fields = line.split(b",", position + 1)
                try:
                    number = int(fields[position], 16)
                except (ValueError, IndexError):
                    raise self._malformed(offset, line.decode("utf-8", "replace"), "the name of a picture") from None
                if number in wanted:
                    numbers.append(number)
                    offsets.append(offset)
                offset += len(line)
        keys = np.frombuffer(numbers, dtype=np.uint64) if numbers else np.empty(0, np.uint64)
        order = np.argsort(keys, kind="stable")
        self._numbers = keys[order]
        self._offsets = (np.frombuffer(offsets, dtype=np.uint64) if offsets else np.empty(0, np.uint64))[order]

    def __len__(self) -> int:
        return len(self._offsets)

    def parse(self, image_id: str, parser: Callable[[dict[str, str]], T]) -> list[T]:
        """`parser` of every row of one picture; a row it cannot read becomes a CourseError with the line's number."""
        number = np.uint64(_number(image_id))
        first, last = np.searchsorted(self._numbers, [number, number + np.uint64(1)])
        return [self._parsed(offset, line, parser) for offset, line in self._lines(self._offsets[first:last])]

    def all_rows(self) -> Iterator[dict[str, str]]:
        """Every row of the pictures wanted, in the file's order."""
        for offset, line in self._lines(np.sort(self._offsets)):
            yield self._parsed(offset, line, lambda row: row)

    def _lines(self, offsets: np.ndarray) -> Iterator[tuple[int, str]]:
        with self.path.open("rb") as file:
            for offset in offsets.tolist():
                file.seek(offset)
                yield offset, file.readline().decode("utf-8")

    def _parsed(self, offset: int, line: str, parser: Callable[[dict[str, str]], T]) -> T:
        fields = next(csv.reader([line]))
        if len(fields) != len(self.header):
            raise self._malformed(offset, line, f"{len(self.header)} fields")
        try:
            return parser(dict(zip(self.header, fields, strict=True)))
        except (ValueError, KeyError) as error:
            raise self._malformed(offset, line, f"{self.columns} ({error})") from error

    def _malformed(self, offset: int, line: str, expected: str) -> CourseError:
        with self.path.open("rb") as file:
            number = file.read(offset).count(b"\n") + 1
        return CourseError(f"{self.path}, line {number}: expected {expected}, found {line.strip()[:120]!r}.")


def _number(image_id: str) -> int:
    try:
        return int(image_id, 16)
    except ValueError:
        raise CourseError(
            f"{image_id!r} is no picture of Open Images: their names are 16 hexadecimal digits."
        ) from None
