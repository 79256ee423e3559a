"""Several notebooks at once: how the machine is shared, how they are stopped, what is refused before any has run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import joblib
import psutil
import pytest

from course_lib import running
from course_lib.errors import CourseError
from course_lib.running import Outcome
from course_lib.running.execution import Progress
from tests import checkouts


def kernels() -> set[psutil.Process]:
    """Every kernel that this process or a child of it started."""
    return {child for child in psutil.Process().children(recursive=True) if is_kernel(child)}


def is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel_launcher" in process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return False


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_cores_are_shared_out_among_the_notebooks_that_run_at_once(tmp_path: Path, jobs: int) -> None:
    root = checkouts.make(tmp_path, shows=["import os\nprint(os.environ['OMP_NUM_THREADS'])"])
    (outcome,) = running.run(root, ["01_shows"], jobs=jobs, out=root / "out")
    assert checkouts.output_text(outcome.executed).strip() == str(max(1, joblib.cpu_count() // jobs))


def test_an_interrupt_stops_every_kernel_and_keeps_the_copies(tmp_path: Path) -> None:
    root = checkouts.make(
        tmp_path, first=["print('before')", "import threading\nthreading.Event().wait()"], second=["1"]
    )

    def interrupt_when_it_waits(progress: Sequence[Progress], outcomes: Sequence[Outcome]) -> None:
        if progress[0].cells_run == progress[0].cells > 0:
            raise KeyboardInterrupt

    before = kernels()  # other tests of this process may have some
    with pytest.raises(KeyboardInterrupt):
        running.run(root, ["01_first", "02_second"], jobs=2, out=root / "out", watch=interrupt_when_it_waits)
    assert kernels() <= before
    assert "before" in (root / "out" / "01_first.ipynb").read_text(encoding="utf-8")


def test_what_cannot_be_run_is_said_before_anything_is(tmp_path: Path) -> None:
    root = checkouts.make(tmp_path, good=["1"])
    with pytest.raises(CourseError, match=r"no scale 'smok'\. Did you mean smoke"):
        running.run(root, ["01_good"], scale="smok", out=root / "out")
    with pytest.raises(CourseError, match="no version 'students'"):
        running.run(root, ["01_good"], version="students", out=root / "out")
    assert not (root / "out").exists()


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    root = checkouts.make(tmp_path, good=["1"])
    (root / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(OSError, match="out"):
        running.run(root, ["01_good"], out=root / "out")
