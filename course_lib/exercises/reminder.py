"""In IPython: where a NameError is about an exercise's answer, say which cell to run first.

Python's own error stays what it is, and the cell still counts as failed.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from course_lib.exercises import registry


def install() -> None:
    """Start reminding, where there is an IPython and nobody else handles its exceptions. Safe to call again."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and not shell.custom_exceptions:
        shell.set_custom_exc((NameError,), _remind)


def _remind(
    shell: Any, kind: type[NameError], error: NameError, trace: TracebackType | None, tb_offset: int | None = None
) -> None:
    try:
        if sentence := reminder(str(error.name)):
            error.args = (f"{error}. {sentence}",)
    except Exception:  # a reminder is a courtesy: Python's own error must come through in any case
        pass
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def reminder(name: str) -> str:
    """A sentence for a `name` that is an exercise's answer; "" for any other."""
    for exercise in map(registry.get, registry.names()):
        if exercise.answer == name:
            return f"{name} is the answer to the exercise {exercise.title!r}: run that cell first."
    return ""
