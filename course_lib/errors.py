"""The one kind of error that this package raises on purpose: a sentence for a person."""

from __future__ import annotations


class CourseError(Exception):
    """Something the reader can mend: the message says what is wrong, where, and what to do next.

    Notebooks and the command line show the message alone; nobody needs the traceback to act on it.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]
