"""In a real kernel: results show themselves, and a missing answer is a NameError that says which cell to run."""

from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient
from nbformat import v4

ROOT = Path(__file__).parents[2]

SETUP = """\
import pytest
from course_lib.exercises import check, summary
import course_lib.exercises.reminder as reminder
reminder.install()
from tests.exercises import questions
questions.put_in_place(pytest.MonkeyPatch())"""

BLANK = """\
def top_k_error(logits, labels, k=5):
    raise NotImplementedError"""

WRONG = """\
def spread(x):
    return x - x.mean(dim=0, wrong=True)"""


@pytest.fixture(scope="module")
def cells() -> list[Any]:
    sources = [
        SETUP,
        'check("alexnet.block", Block)',
        "nothing_of_ours",
        BLANK,
        'check("alexnet.top_k_error", top_k_error)',
        WRONG,
        'check("alexnet.spread", spread)',
        'check("alexnet.none", None)',
        'summary("02_alexnet")',
    ]
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])
    client = NotebookClient(
        notebook, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(ROOT)}}
    )
    return list(client.execute().cells)


def error(cell: Any) -> Any:
    return next(output for output in cell.outputs if output.output_type == "error")


def text(cell: Any) -> str:
    return str(cell.outputs[-1].data["text/plain"])


def test_an_answer_that_was_not_run_fails_with_pythons_error_and_our_sentence(cells: list[Any]) -> None:
    found = error(cells[1])
    assert found.ename == "NameError"
    assert found.evalue == (
        "name 'Block' is not defined. Block is the answer to the exercise 'The block': run that cell first."
    )


def test_other_name_errors_stay_as_they_are(cells: list[Any]) -> None:
    assert error(cells[2]).evalue == "name 'nothing_of_ours' is not defined"


def test_a_blank_answer_shows_as_not_attempted_in_words_and_html(cells: list[Any]) -> None:
    assert text(cells[4]).startswith("Not attempted: alexnet.top_k_error (0 of 5 points)")
    assert "<strong>" in cells[4].outputs[-1].data["text/html"]


def test_an_exception_shows_the_line_of_the_students_cell(cells: list[Any]) -> None:
    assert "line 2 of spread: return x - x.mean(dim=0, wrong=True)" in text(cells[6])


def test_a_course_error_is_one_line_without_a_traceback(cells: list[Any]) -> None:
    found = error(cells[7])
    assert found.evalue.startswith("There is no exercise 'alexnet.none'.")
    assert len(found.traceback) == 1


def test_the_summary_stands_at_the_end_whatever_failed_before(cells: list[Any]) -> None:
    assert text(cells[8]).splitlines()[0] == "02_alexnet: 0 of 20 points"
    assert "not checked yet" in text(cells[8])
