"""The command line: `course run`, `course list`, `course models`, `course build`, `course data`.

Works from any folder inside a checkout of the course. What goes wrong is one line on stderr: exit status 2 for
something that was typed wrong, 1 for anything else, 128 + the signal's number when stopped. Every import that costs
time waits until the command that needs it, so that `course --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from course_lib.errors import CourseError

PROJECT = "image-classification-course"

app = typer.Typer(
    help="Build, run and look after the image-classification course.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="The data sets that the lessons use.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Lessons = Annotated[
    list[str] | None,
    typer.Argument(help="Lessons, as 02_alexnet, 02, 2 or alexnet; all of them where none is named.", metavar="LESSON"),
]


class Stopped(BaseException):
    """A signal asked the command to stop. Not an Exception, so that nothing on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class WrongArgumentError(CourseError):
    """What was typed means nothing; exit status 2."""


def main() -> None:
    """Run the command line and leave the process with its exit status."""
    sys.exit(_run())


@app.command("run")
def run_command(
    lessons: Lessons = None,
    scale: Annotated[str, typer.Option(help="smoke, laptop or gpu.", envvar="COURSE_SCALE")] = "smoke",
    version: Annotated[str, typer.Option(help="solutions, or notebooks as students open them.")] = "solutions",
    jobs: Annotated[int | None, typer.Option(min=1, help="Notebooks at a time. [default: one a core]")] = None,
    out: Annotated[Path | None, typer.Option(help="Where executed copies go. [default: out/run]")] = None,
) -> None:
    """Execute the lessons and leave a page with what came out."""
    from rich.console import Console

    from course_lib import running
    from course_lib.running import display, report

    root = find_root()
    with _argument():
        chosen = running.select(lesson_names(root), lessons or [])
        running.check(root, chosen, version=version, scale=scale)
    out = root / "out" / "run" if out is None else out
    console = Console()
    with display.Display(console) as shown:
        outcomes = running.run(root, chosen, version=version, scale=scale, jobs=jobs, out=out, watch=shown.show)
    for outcome in outcomes:
        if outcome.executed.is_file():
            report.export_html(outcome.executed)
    index = report.write_index(outcomes, out, version=version, scale=scale)
    console.print(display.results(outcomes))
    console.print(f"The executed notebooks: {index}", highlight=False, soft_wrap=True)
    if not all(outcome.passed for outcome in outcomes):
        Console(stderr=True).print(display.failures(outcomes))
        raise typer.Exit(1)


@app.command("list")
def list_command() -> None:
    """Show the lessons there are, with their minutes, points and exercises."""
    from rich.console import Console
    from rich.table import Table

    from course_lib import authoring

    table = Table("lesson", "title", header_style="bold")
    for heading in ("minutes", "points", "exercises"):
        table.add_column(heading, justify="right")
    for lesson in authoring.lessons(find_root()):
        numbers = (lesson.minutes, lesson.points, len(lesson.exercises))
        table.add_row(lesson.name, lesson.title, *map(str, numbers))
    Console().print(table)


@app.command("models")
def models_command(
    networks: Annotated[
        list[str] | None, typer.Argument(help="Networks by name; all of them where none is named.", metavar="NAME")
    ] = None,
) -> None:
    """Show the networks there are, with what each costs and what its paper reports."""
    from rich.console import Console
    from rich.table import Table

    from course_lib.models.table import HEADINGS, NUMBERS, table

    console = Console()
    with _argument(), console.status("Counting parameters and multiply-adds"):
        found = table(*networks or ())
    if not console.is_terminal:
        typer.echo(repr(found))  # in lines as long as they are: a file or another program reads them
        return
    shown = Table(header_style="bold")
    for heading in HEADINGS:
        is_number = heading in NUMBERS
        shown.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number or heading == "network")
    for entry in found:
        shown.add_row(*entry.cells())
    console.print(shown, highlight=False)


@app.command("build")
def build_command(
    lessons: Lessons = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; status 1 where something is stale.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Run every cell of facts again, edited or not.")] = False,
) -> None:
    """Make the notebooks and the solutions from lessons/*.py."""
    from course_lib import authoring
    from course_lib.running.select import select

    root = find_root()
    with _argument():
        chosen = select(lesson_names(root), lessons) if lessons else None
    changed = authoring.build(chosen, root=root, check=check, refresh=refresh)
    for path in changed:
        typer.echo(f"{'stale' if check else 'wrote' if path.exists() else 'removed'} {path.relative_to(root)}")
    if not changed:
        typer.echo("Every notebook is up to date.")
    elif check:
        raise CourseError("Notebooks are stale: run `course build` and commit what it changes.")


@data_app.command("status")
def data_status_command() -> None:
    """Say which copy of CIFAR-10 the lessons would use, and where data is kept. Downloads nothing."""
    from course_lib.data.cache import cache_folder
    from course_lib.data.cifar10 import status

    typer.echo(status())
    typer.echo(f"cache: {cache_folder()}")


@data_app.command("fetch")
def data_fetch_command() -> None:
    """Download CIFAR-10 into the cache, unless it is there already."""
    from course_lib.data.cifar10 import fetch

    typer.echo(f"CIFAR-10 is in {fetch()}")


def find_root(start: Path | None = None) -> Path:
    """The checkout that `start` (the working directory) lies in. Raises CourseError outside of one."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        project = folder / "pyproject.toml"
        if project.is_file() and (folder / "lessons").is_dir():
            try:
                if tomllib.loads(project.read_text(encoding="utf-8"))["project"]["name"] == PROJECT:
                    return folder
            except (tomllib.TOMLDecodeError, KeyError):
                continue
    raise CourseError(f"{start} is not inside a checkout of the course. Go to the folder that has its pyproject.toml.")


def lesson_names(root: Path) -> list[str]:
    """The lessons in the order of the course, by their numbers: 01_datasets, 02_alexnet, ..."""
    return sorted(path.stem for path in (root / "lessons").glob("[0-9][0-9]_*.py"))


@contextmanager
def _argument() -> Iterator[None]:
    try:
        yield
    except CourseError as error:
        raise WrongArgumentError(str(error)) from error


def _run() -> int:
    _stop_on_signals()
    warnings.showwarning = lambda message, *_, **__: print("course:", message, file=sys.stderr)
    try:
        return app(prog_name="course", standalone_mode=False) or 0
    except (Stopped, KeyboardInterrupt, typer.Abort) as stop:
        return _fail("stopped", getattr(stop, "status", 128 + signal.SIGINT))
    except WrongArgumentError as error:
        return _fail(str(error), 2)
    except CourseError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:
        # Whoever read our output has left (`course list | head`); a second complaint at exit would help nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error), 1)
    except Exception as error:
        # Typer's own complaints; older versions raise click's classes, newer ones a copy of them.
        if not hasattr(error, "format_message"):
            raise
        return _fail(error.format_message(), getattr(error, "exit_code", 2))


def _fail(message: str, status: int) -> int:
    print("course:", message.strip(), file=sys.stderr)
    return status


def _stop_on_signals() -> None:
    """Turn signals that end a command into an exception, once: a second one must not interrupt the cleaning up."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def stop(number: int, frame: FrameType | None) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, stop)
