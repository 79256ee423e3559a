"""Runs several notebooks side by side, the processor's cores shared out among them, and stops them all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from course_lib import scales
from course_lib.errors import CourseError
from course_lib.running.execution import Outcome, Progress, execute
from course_lib.running.kernels import Kernels
from course_lib.running.select import nearest, notebook_path

LOOK_SECONDS = 0.2


def default_jobs(lessons: int) -> int:
    """One notebook a core, as far as there are notebooks."""
    import joblib  # counts what this process may use: a container's share, not the machine's cores

    return max(1, min(lessons, joblib.cpu_count()))


def check(root: Path, lessons: Sequence[str], *, version: str, scale: str) -> list[Path]:
    """The lessons' notebooks. Raises CourseError for an unknown scale or version, or a notebook that is not there."""
    if scale not in scales.SCALES:
        raise CourseError(f"There is no scale {scale!r}.{nearest(scale, scales.SCALES)}")
    return [notebook_path(root, lesson, version) for lesson in lessons]


def run(
    root: Path,
    lessons: Sequence[str],
    *,
    version: str = "solutions",
    scale: str = "smoke",
    jobs: int | None = None,
    out: Path,
    watch: Callable[[Sequence[Progress], Sequence[Outcome]], None] = lambda progress, outcomes: None,
) -> list[Outcome]:
    """Execute the lessons' notebooks, at most `jobs` at a time; the executed copies are out/<lesson>.ipynb.

    watch: called a few times a second with how far each notebook is and the outcomes so far.
    Returns the outcomes in the order of `lessons`. Whatever ends it, an interrupt too, no kernel is left running.
    Raises CourseError for an unknown scale, version or lesson, OSError where `out` cannot be written.
    """
    notebooks = check(root, lessons, version=version, scale=scale)
    jobs = jobs or default_jobs(len(lessons))
    out.mkdir(parents=True, exist_ok=True)
    kernels = Kernels()
    progress = [Progress(lesson) for lesson in lessons]
    environment = _environment(scale, jobs)
    with ThreadPoolExecutor(jobs, thread_name_prefix="notebook") as pool:
        futures: list[Future[Outcome]] = []
        try:
            for notebook, one in zip(notebooks, progress, strict=True):
                executed = out.resolve() / notebook.name
                futures.append(
                    pool.submit(
                        execute,
                        notebook,
                        executed,
                        scale=scale,
                        environment=environment,
                        kernels=kernels,
                        progress=one,
                    )
                )
            return _collect(futures, progress, watch)
        finally:
            kernels.stop()
            pool.shutdown(wait=True, cancel_futures=True)


def _collect(
    futures: Sequence[Future[Outcome]],
    progress: Sequence[Progress],
    watch: Callable[[Sequence[Progress], Sequence[Outcome]], None],
) -> list[Outcome]:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, LOOK_SECONDS, FIRST_COMPLETED)
        for future in done:
            future.result()  # an OSError ends the whole run: the next notebook could not be written either
        watch(progress, [future.result() for future in futures if future.done()])
    return [future.result() for future in futures]


def _environment(scale: str, jobs: int) -> dict[str, str]:
    """What every kernel is told: the scale, its share of the cores, and figures that end up in the notebook."""
    import joblib

    threads = str(max(1, joblib.cpu_count() // jobs))
    return {
        scales.ENVIRONMENT_VARIABLE: scale,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
