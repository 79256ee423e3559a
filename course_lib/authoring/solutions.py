"""What students do not get of an answer cell: from `### BEGIN SOLUTION` to `### END SOLUTION`, as nbgrader has it."""

from __future__ import annotations

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
BLANK = "raise NotImplementedError"


def cut(source: str) -> str:
    """The source with each solution replaced by `raise NotImplementedError` at the solution's indentation."""
    lines = source.split("\n")
    for begin, end in reversed(blocks(source)):
        indentation = lines[begin - 1][: -len(lines[begin - 1].lstrip())]
        lines[begin - 1 : end] = [indentation + BLANK]
    return "\n".join(lines)


def blocks(source: str) -> list[tuple[int, int]]:
    """(line of BEGIN, line of END) of each solution, counted from 1."""
    lines = [line.strip() for line in source.split("\n")]
    begins = [number for number, line in enumerate(lines, start=1) if line == BEGIN]
    ends = [number for number, line in enumerate(lines, start=1) if line == END]
    return list(zip(begins, ends, strict=False))


def unbalanced(source: str) -> tuple[int, str] | None:
    """The first line where BEGIN and END do not alternate, and what is wrong there."""
    open_since = 0
    for number, line in enumerate(source.split("\n"), start=1):
        if line.strip() == BEGIN:
            if open_since:
                return number, f"`{BEGIN}` inside a solution; `{END}` is missing before it."
            open_since = number
        elif line.strip() == END:
            if not open_since:
                return number, f"`{END}` without `{BEGIN}`."
            open_since = 0
        elif "BEGIN SOLUTION" in line or "END SOLUTION" in line:
            return number, f"a marker must be exactly `{BEGIN}` or `{END}`, on a line of its own."
    return (open_since, f"`{BEGIN}` without `{END}`.") if open_since else None
