"""An exception from a student's answer in words: what happened, and where in the student's own lines."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

from course_lib.exercises.asking import AnswerError, name_of

MOST_LINES = 4
LONGEST_MESSAGE = 400

_COURSE = str(Path(__file__).resolve().parents[1])
_LIBRARIES = tuple({_COURSE, *(sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))})


@dataclass(frozen=True)
class Failure:
    """What became of a question that got no answer.

    kind: "blank" (not written yet), "refused" (the question cannot be put to it) or "raised". words: what happened.
    lines: of the traceback, the student's own, outermost first.
    """

    kind: str
    words: str = ""
    lines: tuple[str, ...] = ()


def explain(error: BaseException) -> Failure:
    """What `error`, raised by an answer, means."""
    try:
        return _explain(error)
    except Exception:  # the class of the exception is the student's too
        return Failure("raised", "An exception that cannot be shown.")


def _explain(error: BaseException) -> Failure:
    if type(error) is AnswerError:
        return Failure("refused", str(error))
    frames = _students_frames(error)
    if _is_blank(error, frames):
        return Failure("blank")
    lines = tuple(_line(frame) for frame in frames)
    if len(lines) > MOST_LINES:
        lines = (*lines[: MOST_LINES - 2], f"... {len(lines) - MOST_LINES + 1} more lines ...", lines[-1])
    return Failure("raised", _words(error), lines)


def _message(error: BaseException) -> str:
    """`str(error)`, shortened, whatever a student's exception class makes of it."""
    try:
        text = str(error).strip()
    except Exception:
        return "(its message cannot be shown)"
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " ..."


def _words(error: BaseException) -> str:
    kind = type(error)
    if issubclass(kind, RecursionError):
        return "RecursionError: it calls itself without end."
    if issubclass(kind, SystemExit):
        return "It calls exit(), which would end the kernel: return a value instead."
    if issubclass(kind, MemoryError):
        return "MemoryError: it asks for more memory than there is."
    text = _message(error)
    if issubclass(kind, AttributeError) and "before Module.__init__() call" in text:
        return f"{text.removesuffix('.')}: the first line of __init__ must be super().__init__()."
    if issubclass(kind, NotImplementedError) and 'missing the required "forward" function' in text:
        return "Your module has no forward method."
    return f"{name_of(kind)}: {text}" if text else name_of(kind)


def _students_frames(error: BaseException) -> list[tuple[str, int, str]]:
    """(file, line number, function) of the frames outside course_lib and the libraries."""
    frames = []
    for frame, number in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(_LIBRARIES) and not file.startswith("<frozen"):
            frames.append((file, number, frame.f_code.co_name))
    return frames


def _is_blank(error: BaseException, frames: list[tuple[str, int, str]]) -> bool:
    """A `raise NotImplementedError` in the student's code; torch raises the same for kernels that it lacks."""
    if not isinstance(error, NotImplementedError) or not frames:
        return False
    file, number, _ = frames[-1]
    return not error.args or linecache.getline(file, number).strip().startswith("raise NotImplementedError")


def _line(frame: tuple[str, int, str]) -> str:
    file, number, function = frame
    code = linecache.getline(file, number).strip()
    return f"line {number} of {function}" + (f": {code}" if code else "")
