"""One notebook, run for real: what an instructor relies on when the outcome says passed, failed or died."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from course_lib import running
from course_lib.running import Outcome
from tests import checkouts


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    root = checkouts.make(
        tmp_path_factory.mktemp("course"),
        good=[
            "import os\nprint(scale, os.environ['COURSE_SCALE'])",
            "import sys\nprint(sys.prefix, os.getcwd())",
            "block = bytearray(300_000_000)\nimport threading\nthreading.Event().wait(0.5)",
        ],
        fails=["print('before')", "def divide():\n    return 1 / 0\n\ndivide()", "print('never')"],
        dies=["import os\nos.write(2, b'')\nprint('last words', flush=True)", "os._exit(7)", "print('never')"],
        syntax=["print('never')", "x = = 2"],
        magic=["%matplotlib inline\n!true\nimport asyncio\nawait asyncio.sleep(0)"],
        mends=["from course_lib.errors import CourseError\nraise CourseError('the archive is cut off: delete it')"],
        unreadable=[],
    )
    (root / "solutions" / "07_unreadable.ipynb").write_text('{"cells": [', encoding="utf-8")
    names = [path.stem for path in sorted((root / "lessons").iterdir())]
    executed = running.run(root, names, scale="smoke", jobs=2, out=root / "out")
    return {outcome.lesson: outcome for outcome in executed}


def test_a_notebook_that_runs_has_passed_at_the_scale_asked_for(outcomes: dict[str, Outcome]) -> None:
    good = outcomes["01_good"]
    assert (good.status, good.failure) == ("passed", None)
    assert good.cells_run == good.cells == 5
    assert "smoke smoke" in checkouts.output_text(good.executed)
    assert outcomes["05_magic"].passed


def test_the_kernel_is_this_environments_and_stands_in_the_notebooks_folder(outcomes: dict[str, Outcome]) -> None:
    root = outcomes["01_good"].executed.parents[1]
    assert f"{sys.prefix} {root / 'solutions'}" in checkouts.output_text(outcomes["01_good"].executed)


def test_peak_memory_is_what_the_kernel_held(outcomes: dict[str, Outcome]) -> None:
    assert 300e6 < outcomes["01_good"].peak_memory < 2e9
    assert 20e6 < outcomes["02_fails"].peak_memory < 300e6


def test_a_failure_names_its_cell_once_and_the_executed_copy_ends_there(outcomes: dict[str, Outcome]) -> None:
    failure = outcomes["02_fails"].failure
    assert outcomes["02_fails"].status == "failed"
    assert failure is not None
    assert failure.cell == 4
    assert failure.source.startswith("def divide")
    assert failure.error == "ZeroDivisionError: division by zero"
    assert failure.traceback.count("division by zero") == 1
    assert checkouts.output_text(outcomes["02_fails"].executed) == "before\n"


def test_a_kernel_that_dies_is_said_to_have_died_and_what_it_had_done_is_kept(outcomes: dict[str, Outcome]) -> None:
    failure = outcomes["03_dies"].failure
    assert outcomes["03_dies"].status == "kernel died"
    assert failure is not None
    assert (failure.cell, failure.source) == (4, "os._exit(7)")
    assert failure.error == "The kernel died (exit status 7)."
    assert checkouts.output_text(outcomes["03_dies"].executed) == "last words\n"


def test_a_syntax_error_is_one_line_found_before_anything_ran(outcomes: dict[str, Outcome]) -> None:
    failure = outcomes["04_syntax"].failure
    assert failure is not None
    assert failure.error == "SyntaxError: invalid syntax (line 1: x = = 2)"
    assert failure.traceback == ""
    assert not outcomes["04_syntax"].executed.exists()


def test_a_course_error_keeps_its_one_sentence(outcomes: dict[str, Outcome]) -> None:
    failure = outcomes["06_mends"].failure
    assert failure is not None
    assert failure.traceback == "CourseError: the archive is cut off: delete it"


def test_a_file_that_is_no_notebook_is_one_line_and_the_others_run_on(outcomes: dict[str, Outcome]) -> None:
    failure = outcomes["07_unreadable"].failure
    assert outcomes["07_unreadable"].status == "not a notebook"
    assert failure is not None
    assert failure.error.startswith("07_unreadable.ipynb: ")
    assert "\n" not in failure.error


def test_an_old_copy_does_not_pass_for_this_runs(tmp_path: Path) -> None:
    root = checkouts.make(tmp_path, broken=["x = = 2"])
    (root / "out").mkdir()
    for suffix in (".ipynb", ".html"):
        (root / "out" / f"01_broken{suffix}").write_text("of an earlier run", encoding="utf-8")
    running.run(root, ["01_broken"], out=root / "out")
    assert list((root / "out").iterdir()) == []
