"""What a lesson must keep to, beyond being readable; every breach is one line with file, line and what to do."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager

from course_lib.authoring.solutions import BEGIN, END, blocks, unbalanced
from course_lib.authoring.source import Cell, Lesson
from course_lib.errors import CourseError
from course_lib.exercises import registry

POINTS = 20
MOST_LINES = 40
_NO_FIGURE = {"alt_text", "close", "rc", "rc_context", "use"}  # of plots and pyplot: they draw nothing

Problem = tuple[int, str]  # line in the lesson's file, sentence


def check(lesson: Lesson) -> None:
    """Raise CourseError with every breach, one a line, if there is any."""
    problems = list(_syntax(lesson)) + list(_solution_blocks(lesson))
    if not problems:  # the other rules read the code
        rules = (_title, _lengths, _parameters, _figures, _exercises, _checks, _points, _discussions, _summary)
        problems = [problem for rule in rules for problem in rule(lesson)]
    if problems:
        raise CourseError("\n".join(f"{lesson.path}:{line}: {sentence}" for line, sentence in sorted(problems)))


def parse(cell: Cell) -> ast.Module:
    """The syntax tree of a code cell; IPython's magics and shell commands count as Python."""
    return ast.parse(TransformerManager().transform_cell(cell.source))


def check_calls(cell: Cell) -> list[str | None]:
    """The exercise named in each `check("...", answer)` of the cell; None where it is not a text."""
    return [_first_text(call) for call in _calls(cell, "check")]


def _syntax(lesson: Lesson) -> Iterator[Problem]:
    for cell in lesson.cells:
        if cell.is_code:
            try:
                parse(cell)
            except SyntaxError as error:
                yield cell.line + (error.lineno or 1), f"syntax error: {error.msg}."


def _solution_blocks(lesson: Lesson) -> Iterator[Problem]:
    for cell in lesson.cells:
        if problem := unbalanced(cell.source):
            line, sentence = problem
            yield cell.line + line, sentence
        elif blocks(cell.source) and not cell.exercise:
            yield cell.line, f"`{BEGIN}` in a cell without exercise=...: only an answer has a solution to cut out."


def _title(lesson: Lesson) -> Iterator[Problem]:
    if not lesson.cells or lesson.cells[0].is_code or not lesson.cells[0].source.startswith("# "):
        yield 1, "the first cell must be Markdown and start with the title: `# # 2 · AlexNet`."


def _lengths(lesson: Lesson) -> Iterator[Problem]:
    for cell in lesson.cells:
        if (length := len(cell.source.splitlines())) > MOST_LINES:
            yield cell.line, f"a cell of {length} lines; {MOST_LINES} are the most. Split it."
        if not cell.source.strip():
            yield cell.line, "an empty cell. Remove it."


def _parameters(lesson: Lesson) -> Iterator[Problem]:
    cells = [cell for cell in lesson.cells if "parameters" in cell.tags]
    if not cells:
        yield 1, 'no parameters cell. Add `# %% tags=["parameters"]` with `scale = "laptop"` and `seed = 0`.'
    for cell in cells[1:]:
        yield cell.line, f"a second parameters cell; the first is in line {cells[0].line}."
    for cell in cells[:1]:
        for name in {"scale", "seed"} - _defined(cell):
            yield cell.line, f"the parameters cell does not set `{name}`."


def _figures(lesson: Lesson) -> Iterator[Problem]:
    for cell in lesson.cells:
        if cell.is_code and not cell.alt and (call := _drawing(parse(cell))):
            yield cell.line + call.lineno, f'`{ast.unparse(call.func)}` draws, but the cell has no alt="...".'


def _exercises(lesson: Lesson) -> Iterator[Problem]:
    known = registry.names(lesson.name) if lesson.name in registry.TOPICS else ()
    seen: dict[str, int] = {}
    for cell in lesson.cells:
        if not cell.exercise:
            continue
        if cell.exercise in seen:
            yield cell.line, f"exercise {cell.exercise} a second time; the first is in line {seen[cell.exercise]}."
        elif cell.exercise not in known:
            yield cell.line, f"unknown exercise {cell.exercise!r}. This lesson has: {', '.join(known) or 'none'}."
        else:
            yield from _answer(cell)
        seen.setdefault(cell.exercise, cell.line)


def _answer(cell: Cell) -> Iterator[Problem]:
    answer = registry.get(str(cell.exercise)).answer
    defined = {node.name: node for node in parse(cell).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    if answer not in defined:
        yield cell.line, f"the cell does not define {answer}, the answer to {cell.exercise}."
        return
    if not (ast.get_docstring(defined[answer]) or "").strip():
        yield cell.line + defined[answer].lineno, f"{answer} has no docstring, which is all that students see."
    if not blocks(cell.source):
        yield cell.line, f"no solution between `{BEGIN}` and `{END}`: students would be given the answer."
    functions = [node for node in ast.walk(parse(cell)) if isinstance(node, ast.FunctionDef)]
    for begin, end in blocks(cell.source):
        if not any(node.lineno <= begin and end <= _end(cell, node) for node in functions):
            yield cell.line + begin, "a solution must stand inside a function: its place is taken by a `raise`."


def _end(cell: Cell, node: ast.FunctionDef) -> int:
    """The last line of a function, closing comments included, which the syntax tree leaves out."""
    end = node.end_lineno or node.lineno
    lines = cell.source.splitlines()
    while end < len(lines) and lines[end].startswith(" " * (node.col_offset + 1)):
        end += 1
    return end


def _checks(lesson: Lesson) -> Iterator[Problem]:
    code = [cell for cell in lesson.cells if cell.is_code]
    for cell, following in zip(code, [*code[1:], None], strict=True):
        if cell.exercise and (following is None or check_calls(following) != [cell.exercise]):
            yield (
                cell.line,
                f"exercise {cell.exercise} has no check. Put `check({cell.exercise!r}, ...)` in the next cell.",
            )
    for before, cell in zip([None, *code], code, strict=False):
        for name in check_calls(cell):
            if before is None or before.exercise != name:
                yield cell.line, f"check of {name!r}, but the cell above is not that exercise's."


def _points(lesson: Lesson) -> Iterator[Problem]:
    if lesson.name not in registry.TOPICS:
        yield 1, f"{lesson.name} is not in course_lib/exercises/registry.py. Add it to TOPICS."
        return
    exercises = registry.of_lesson(lesson.name)
    for exercise in exercises:
        if exercise.name not in lesson.exercises:
            yield 1, f"exercise {exercise.name} is in course_lib/exercises/{exercise.topic}.py but not in this lesson."
    if (total := sum(exercise.points for exercise in exercises)) != POINTS:
        words = ", ".join(f"{exercise.name} {exercise.points}" for exercise in exercises)
        yield 1, f"the points sum to {total}, not {POINTS} ({words})."


def _discussions(lesson: Lesson) -> Iterator[Problem]:
    count = Counter(cell.discuss for cell in lesson.cells if cell.discuss)
    for cell in lesson.cells:
        if cell.discuss and count[cell.discuss] > 1:
            yield cell.line, f"discuss={cell.discuss!r} stands on {count[cell.discuss]} cells."
        if cell.points and not cell.discuss:
            yield cell.line, "points go with discuss=...; an exercise's stand in its specification."


def _summary(lesson: Lesson) -> Iterator[Problem]:
    code = [cell for cell in lesson.cells if cell.is_code]
    if not code or [_first_text(call) for call in _calls(code[-1], "summary")] != [lesson.name]:
        yield code[-1].line if code else 1, f'the last code cell must be `summary("{lesson.name}")`.'


def _defined(cell: Cell) -> set[str]:
    return {node.id for node in ast.walk(parse(cell)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _calls(cell: Cell, function: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(parse(cell)) if isinstance(node, ast.Call)] if cell.is_code else []
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == function]


def _first_text(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _drawing(tree: ast.AST) -> ast.Call | None:
    """The first call that draws when the cell runs; the bodies of functions do not run yet."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            of_plots = isinstance(owner, ast.Name) and owner.id in ("plots", "plt") and node.func.attr not in _NO_FIGURE
            if of_plots or node.func.attr in ("plot", "imshow"):
                return node
        if found := _drawing(node):
            return found
    return None
