"""The course-wide table: what every network of the course reached, at which cost, on which machine.

One JSON object a line in the cache folder, added under a lock, so that lessons may run side by side. All runs are kept;
the table shows the newest of each (network, scale, source, seed) and ranks only runs of one scale and source.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from course_lib import machine
from course_lib.data import cache
from course_lib.errors import CourseError
from course_lib.history import History
from course_lib.profiling import Profile

FILE_NAME = "results.jsonl"


@dataclass(frozen=True)
class Result:
    """One trained network.

    accuracy: on the test images after the last epoch, fraction in [0, 1]. multiply_adds, latency_ms: of one image.
    training_seconds: of all epochs, with testing. source: of the training images. date: ISO 8601, UTC.
    """

    lesson: str
    network: str
    accuracy: float | None
    parameters: int | None
    multiply_adds: int | None
    latency_ms: float | None
    training_seconds: float
    epochs: int
    scale: str
    source: str
    is_miniature: bool
    machine: str
    date: str
    seed: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes two results runs of the same experiment."""
        return self.network, self.scale, self.source, self.seed


@dataclass(frozen=True)
class Results:
    """Rows of the course-wide table: for one scale and source the most accurate network first. Shows itself."""

    rows: tuple[Result, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return _EMPTY
        rows = [list(_COLUMNS)] + [[show(row) for show in _COLUMNS.values()] for row in self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{escape(_EMPTY)}</p>"
        head = "".join(f'<th scope="col">{escape(title)}</th>' for title in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(show(row))}</td>" for show in _COLUMNS.values()) + "</tr>"
            for row in self.rows
        )
        caption = "Every network trained so far; compare only rows of one scale, one source and one machine."
        return f"<table><caption>{caption}</caption><tr>{head}</tr>{body}</table>"


def record(
    lesson: str,
    network: str,
    *,
    history: History,
    profile: Profile | None = None,
    latency_ms: float | None = None,
) -> Result:
    """Add a trained network to the course-wide table.

    profile: of one image, for parameters, multiply-adds and, if it was timed, latency; latency_ms says it otherwise.
    Under `accelerate launch` only the first process writes. Raises CourseError for a history without an epoch. A file
    that cannot be read or written costs the entry, with a warning, never the lesson.
    """
    if not history.epochs:
        raise CourseError(f"{network} has not finished an epoch, so there is no result to record.")
    result = Result(
        lesson=lesson,
        network=network,
        accuracy=history.test_accuracy,
        parameters=None if profile is None else profile.parameters,
        multiply_adds=None if profile is None else profile.multiply_adds,
        latency_ms=latency_ms if latency_ms is not None or profile is None else profile.milliseconds,
        training_seconds=history.seconds,
        epochs=len(history),
        scale=history.scale,
        source=history.source,
        is_miniature=history.is_miniature,
        machine=machine.describe(),
        date=datetime.now(UTC).isoformat(timespec="microseconds"),
        seed=history.seed,
    )
    if os.environ.get("RANK", "0") == "0":
        _append(result)
    return result


def table(*, scale: str | None = None, lesson: str | None = None) -> Results:
    """The newest result of each experiment, of one scale or one lesson if asked for."""
    try:
        found, unreadable = _read(cache.cache_folder() / FILE_NAME)
    except OSError as error:
        warnings.warn(f"The course-wide table cannot be read: {error}", stacklevel=2)
        return Results(())
    if unreadable:
        warnings.warn(f"{_damage(unreadable)} They are left out here; the next result sets a copy aside.", stacklevel=2)
    newest = {result.key: result for result in sorted(found, key=lambda result: result.date)}
    rows = [row for row in newest.values() if scale in (None, row.scale) and lesson in (None, row.lesson)]
    return Results(tuple(sorted(rows, key=lambda row: (row.scale, row.source, -(row.accuracy or 0), row.network))))


def _append(result: Result) -> None:
    try:
        path = cache.writable_folder() / FILE_NAME
        with cache.lock(path):
            found, unreadable = _read(path)
            if unreadable:
                _set_aside(path, unreadable)
            # The whole file anew, in one step: a line cut off by a full disk would damage the next one too.
            with cache.atomic(path) as partial:
                lines = (json.dumps(asdict(row), ensure_ascii=False) for row in (*found, result))
                partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except (OSError, CourseError) as error:
        warnings.warn(f"{result.network} was not added to the course-wide table: {error}", stacklevel=3)


def _set_aside(path: Path, unreadable: int) -> None:
    aside = path.with_name(f"{path.stem}-unreadable-{datetime.now(UTC):%Y%m%dT%H%M%S%f}{path.suffix}")
    aside.write_bytes(path.read_bytes())
    warnings.warn(f"{_damage(unreadable)} The file as it was is kept as {aside}; the others stay.", stacklevel=4)


def _damage(unreadable: int) -> str:
    return f"{unreadable} line(s) of the course-wide table, {cache.cache_folder() / FILE_NAME}, cannot be read."


def _read(path: Path) -> tuple[list[Result], int]:
    """The results in the file, oldest first, and how many of its lines are none."""
    try:
        lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return [], 0
    parsed = [_parse(line) for line in lines if line.strip()]
    found = [result for result in parsed if result is not None]
    return found, len(parsed) - len(found)


def _parse(line: str) -> Result | None:
    try:
        row: dict[str, Any] = json.loads(line)
        result = Result(**row)
    except (ValueError, TypeError, RecursionError):
        return None
    return result if all(_is(getattr(result, field.name), str(field.type)) for field in fields(Result)) else None


def _is(value: object, annotation: str) -> bool:
    """Whether a value read from JSON is what the field says; a whole number is a float too, a truth value no number."""
    allowed: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
    allowed["None"] = (type(None),)
    kinds = annotation.split(" | ")
    return any(isinstance(value, allowed[kind]) and isinstance(value, bool) == (kind == "bool") for kind in kinds)


def _number(value: float | None, unit: float, places: int) -> str:
    return "–" if value is None else f"{value / unit:,.{places}f}"


_EMPTY = "The course-wide table is empty: no network has been recorded yet."

_COLUMNS: dict[str, Callable[[Result], str]] = {
    "network": lambda row: row.network,
    "accuracy (%)": lambda row: _number(row.accuracy, 0.01, 1),
    "parameters (M)": lambda row: _number(row.parameters, 1e6, 2),
    "multiply-adds (M)": lambda row: _number(row.multiply_adds, 1e6, 1),
    "latency (ms)": lambda row: _number(row.latency_ms, 1, 2),
    "training (s)": lambda row: _number(row.training_seconds, 1, 0),
    "epochs": lambda row: str(row.epochs),
    "scale": lambda row: row.scale,
    "images": lambda row: f"{row.source} (drawn pictures, no photographs)" if row.is_miniature else row.source,
    "seed": lambda row: str(row.seed),
    "machine": lambda row: row.machine,
    "lesson": lambda row: row.lesson,
    "date": lambda row: row.date[:10],
}
