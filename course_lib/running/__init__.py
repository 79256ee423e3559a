"""Runs the course: every notebook in a kernel of its own, several at once, with a page to read afterwards.

`execution` runs one notebook with papermill, `batch` several side by side and stops them all, `report` turns what came
out into HTML, `display` shows it in a terminal. The notebooks themselves never import any of it.
"""

from course_lib.running.batch import check, default_jobs, run
from course_lib.running.execution import Failure, Outcome
from course_lib.running.select import VERSIONS, select

__all__ = ["VERSIONS", "Failure", "Outcome", "check", "default_jobs", "run", "select"]
