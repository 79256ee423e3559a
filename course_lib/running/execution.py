"""Runs one notebook with papermill and says what came of it.

The kernel and whatever it started are gone when `execute` returns, however it returns. The executed copy is saved after
every cell, so what ran before a failure, a kernel's death or a stop can be read.
"""

from __future__ import annotations

import ast
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import nbformat

from course_lib.running.kernels import Kernel, Kernels, manager

START_SECONDS = 300
"""How long a kernel may take to start: importing on a cold, busy disk is slow, and waiting costs nothing."""

LOG_LINES = 12
"""How much of what a dead kernel's process wrote is shown."""

Status = Literal["passed", "failed", "kernel died", "not a notebook", "stopped"]


@dataclass(frozen=True)
class Failure:
    """The cell that ended a run: its number among the code cells, its source, the error in one line, the traceback.

    The number is the executed copy's, which has one cell more, the parameters'; 0 where no cell is to blame. The
    traceback keeps the colours (ANSI sequences) that IPython gave it; it is empty where one line says everything.
    """

    cell: int
    source: str
    error: str
    traceback: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of one notebook: wall-clock seconds, bytes of memory (resident, summed over the kernel's processes)."""

    lesson: str
    status: Status
    executed: Path
    seconds: float = 0.0
    cells_run: int = 0
    cells: int = 0
    peak_memory: int = 0
    failure: Failure | None = None

    @property
    def passed(self) -> bool:
        return self.status == "passed"


class Progress:
    """Where one notebook has got to; the display reads it from another thread."""

    def __init__(self, lesson: str) -> None:
        self.lesson = lesson
        self.cells = 0
        self.cells_run = 0
        self.started: float | None = None
        self.source = ""
        self.kernel: Kernel | None = None

    def cell_starts(self, cell: Any, cell_index: int) -> None:
        if _runs(cell):
            self.cells_run += 1
            self.source = cell.source

    @property
    def seconds(self) -> float:
        return 0.0 if self.started is None else time.perf_counter() - self.started

    def outcome(self, status: Status, executed: Path, failure: Failure | None = None) -> Outcome:
        memory = self.kernel.peak_memory if self.kernel else 0
        return Outcome(self.lesson, status, executed, self.seconds, self.cells_run, self.cells, memory, failure)


def execute(
    notebook: Path, executed: Path, *, scale: str, environment: dict[str, str], kernels: Kernels, progress: Progress
) -> Outcome:
    """Run `notebook` at a scale, write the executed copy to `executed`, and say how it went.

    environment: what the kernel's environment has beside ours (the number of threads, the scale).
    Raises OSError where the copy cannot be written; everything that goes wrong in the notebook is in the outcome.
    """
    progress.started = time.perf_counter()
    for old in (executed, executed.with_suffix(".html")):
        old.unlink(missing_ok=True)  # a copy of an earlier run must not pass for this one's
    try:
        sources = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if _runs(cell)]
    except OSError:
        raise
    except Exception as error:  # nbformat lets whatever a malformed file causes through
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        return progress.outcome("not a notebook", executed, Failure(0, "", f"{notebook.name}: {reason}"))
    progress.cells = len(sources) + 1  # papermill adds the cell that sets the parameters
    if broken := _syntax_error(sources):
        return progress.outcome("failed", executed, broken)
    with tempfile.TemporaryFile() as log:
        try:
            _run_cells(notebook, executed, scale, environment, log, kernels, progress)
        except Exception as error:
            if kernels.stopping.is_set():
                return progress.outcome("stopped", executed)
            return progress.outcome(*_diagnose(error, executed, progress, log))
    return progress.outcome("passed", executed)


def _run_cells(
    notebook: Path,
    executed: Path,
    scale: str,
    environment: dict[str, str],
    log: IO[bytes],
    kernels: Kernels,
    progress: Progress,
) -> None:
    import papermill  # takes a second, so not before there is something to run

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would log is in the outcome

    def started(kernel: Kernel) -> None:
        progress.kernel = kernel
        kernels.add(kernel)

    try:
        papermill.execute_notebook(
            str(notebook),
            str(executed),
            {"scale": scale},
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=START_SECONDS,
            iopub_timeout=60,
            kernel_manager_class=manager(environment, log, started),
            resources={"metadata": {"path": str(notebook.parent)}},
            on_cell_start=progress.cell_starts,
        )
    finally:
        if progress.kernel:
            kernels.remove(progress.kernel)


def _runs(cell: Any) -> bool:
    return bool(cell.cell_type == "code" and cell.source.strip())


def _syntax_error(sources: list[str]) -> Failure | None:
    """The first cell that is no Python: found before minutes are spent on those above it."""
    from IPython.core.inputtransformer2 import TransformerManager

    for number, source in enumerate(sources, 1):
        try:
            code = TransformerManager().transform_cell(source)
            compile(code, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            line = (error.text or "").strip()
            return Failure(number, source, f"SyntaxError: {error.msg} (line {error.lineno}: {line})")
    return None


def _diagnose(error: Exception, executed: Path, progress: Progress, log: IO[bytes]) -> tuple[Status, Path, Failure]:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        line = next(iter(f"{error.ename}: {error.evalue}".splitlines()))
        failure = Failure(progress.cells_run, error.source, line, "\n".join(error.traceback))
        return "failed", executed, failure
    ending = progress.kernel.ending() if progress.kernel else ""
    if isinstance(error, DeadKernelError) or (ending and progress.cells_run == 0):
        words = f"The kernel died ({ending})." if ending else "The kernel died."
        said = "\n".join(filter(None, (_last_lines(log), words)))
        return "kernel died", executed, Failure(progress.cells_run, progress.source, words, said)
    if isinstance(error, OSError):
        raise error
    return "failed", executed, Failure(progress.cells_run, progress.source, f"{type(error).__name__}: {error}")


def _last_lines(log: IO[bytes]) -> str:
    """The end of what the kernel's process wrote; its own notices left out."""
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    return "\n".join([line for line in lines if not line.startswith("[IPKernelApp]")][-LOG_LINES:])
