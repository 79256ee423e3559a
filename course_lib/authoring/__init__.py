"""Lessons to notebooks: `lessons/*.py` is what an author edits, `notebooks/` and `solutions/` are made from it.

    build()              writes what changed, and returns the paths
    build(check=True)    writes nothing, and returns what is stale

`source` reads a lesson, `rules` says what is wrong with it, `notebook` makes its two versions, `facts` the few outputs
that they store, `building` writes them. The same lesson always gives the same bytes, and a cell's id depends on that
cell alone, so that a change of one cell changes one cell of the notebook.
"""

from course_lib.authoring.building import VERSIONS, build, repository_root
from course_lib.authoring.source import Cell, Lesson, find, lessons, read

__all__ = ["VERSIONS", "Cell", "Lesson", "build", "find", "lessons", "read", "repository_root"]
