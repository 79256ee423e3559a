"""`check` says in words what came of an answer, whatever it is and does; `summary` adds up."""

import html.parser
import re
import sys
from typing import Any

import numpy as np
import pytest
import torch
from nbformat import v4
from nbgrader.utils import determine_grade
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.exercises import Result, check, reporting, summary
from course_lib.exercises.reminder import reminder
from tests.exercises import questions
from tests.exercises.questions import Block, spread, top_k_error

pytestmark = pytest.mark.usefixtures("questions")


def top_k(answer: Any) -> Result:
    return check("alexnet.top_k_error", answer)


def words(result: Result) -> str:
    return " ".join(result.sentences)


def test_the_reference_is_correct_and_gets_every_point() -> None:
    for exercise in questions.EXERCISES:
        result = check(exercise.name, exercise.reference)
        assert (result.status, result.points, result.hints) == ("correct", exercise.points, ())
    assert summary("02_alexnet").points == summary("02_alexnet").of == 20


def test_a_known_mistake_is_named() -> None:
    result = top_k(lambda logits, labels, k: 1 - top_k_error(logits, labels, k))
    assert (result.status, result.points) == ("wrong", 0)
    assert "This is the accuracy." in result.sentences
    assert result.sentences[0] == "Case 1 of 4: top_k_error(float32 (4, 10), int64 (4,), k=1)"


def test_some_right_cases_give_their_share_of_the_points_rounded_down_to_half_a_point() -> None:
    result = top_k(lambda logits, labels, k: top_k_error(logits, labels, k) if k == 5 else 7.0)
    assert (result.status, result.passed, result.total, result.points) == ("partly correct", 2, 4, 2.5)
    assert result.headline == "Partly correct (2 of 4 cases)"
    one = top_k(lambda logits, labels, k: top_k_error(logits, labels, k) if k == 3 else 7.0)
    assert (one.passed, one.points) == (1, 1.0)  # a quarter of 5 is 1.25


def test_a_blank_answer_is_not_attempted_and_not_an_error() -> None:
    def blank(logits: Tensor, labels: Tensor, k: int = 5) -> float:
        raise NotImplementedError

    class BlankBlock(nn.Module):
        def __init__(self, in_channels: int):
            super().__init__()
            raise NotImplementedError("later")

    unseen: dict[str, Any] = {}
    exec("def blank(logits, labels, k=5):\n    raise NotImplementedError", unseen)  # its source cannot be looked up
    for result in (top_k(blank), top_k(unseen["blank"]), check("alexnet.block", BlankBlock)):
        assert (result.status, result.points) == ("not attempted", 0)


def test_torchs_own_not_implemented_is_an_error_of_the_answer() -> None:
    def unsupported(logits: Tensor, labels: Tensor, k: int = 5) -> Any:
        return torch.nn.functional.avg_pool2d(torch.ones(1, 1, 4, 4).bool(), 2)

    assert top_k(unsupported).status == "raised"


def test_the_traceback_holds_the_students_lines_only() -> None:
    def inner(logits: Tensor, labels: Tensor) -> Tensor:
        return logits @ labels  # the line at fault

    def outer(logits: Tensor, labels: Tensor, k: int = 5) -> Tensor:
        return inner(logits, labels)

    result = top_k(outer)
    assert result.status == "raised"
    assert "RuntimeError" in words(result)
    assert [re.sub(r"line \d+ of ", "", line) for line in result.lines] == [
        "outer: return inner(logits, labels)",
        "inner: return logits @ labels  # the line at fault",
    ]


def recurse(*_: Any, **__: Any) -> Any:
    return recurse()


def leave(*_: Any, **__: Any) -> Any:
    raise SystemExit(3)


class HostileError(BaseException):
    def __str__(self) -> str:
        raise RuntimeError

    @property
    def args(self) -> Any:
        raise RuntimeError


def throw(*_: Any, **__: Any) -> Any:
    raise HostileError


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(recurse, "calls itself without end"), (leave, "exit()"), (throw, "HostileError")],
)
def test_exceptions_of_every_kind_become_words(answer: Any, expected: str) -> None:
    result = top_k(answer)
    assert result.status == "raised"
    assert expected in words(result)
    assert len(result.lines) <= 4


def test_interrupting_the_kernel_stops_the_check() -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        top_k(interrupted)


def test_printing_instead_of_returning_is_noticed_and_what_was_printed_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = top_k(lambda logits, labels, k: print("0.25 <b>"))
    assert "return" in words(result)
    assert "prints instead" in words(result)
    assert "0.25 <b>" in result.printed
    assert "0.25 &lt;b&gt;" in result._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_warnings_of_a_right_answer_do_not_reach_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def noisy(logits: Tensor, labels: Tensor, k: int = 5) -> float:
        np.log(np.zeros(1))
        print("note", file=sys.stderr)
        return top_k_error(logits, labels, k)

    assert top_k(noisy).status == "correct"
    assert capsys.readouterr().err == ""


def test_an_answer_of_another_type_is_refused_in_words() -> None:
    for answer in (None, "top_k_error", 0.25, Block):
        result = top_k(answer)
        assert (result.status, result.points) == ("wrong", 0)
        assert "top_k_error" in words(result)


def test_a_hostile_object_is_a_wrong_answer_like_any_other() -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __eq__(self, other: object) -> bool:
            return True

        def __call__(self, *_: Any, **__: Any) -> Any:
            return self

        __hash__ = None  # type: ignore[assignment]

    assert top_k(Hostile()).status == "wrong"
    assert top_k(lambda *_, **__: Hostile()).status == "wrong"


def test_a_module_that_forgets_dropout_or_the_first_line_is_told() -> None:
    class Dry(Block):
        def forward(self, x: Tensor) -> Tensor:
            return self.bn1(self.conv1(x)).relu()

    class NoSuper(nn.Module):
        def __init__(self, in_channels: int):
            self.conv1 = nn.Conv2d(in_channels, 4, 3)

    class NoForward(nn.Module):
        def __init__(self, in_channels: int):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4)

    class Wide(Block):
        def __init__(self, in_channels: int):
            super().__init__(in_channels, 5)

    for answer, expected in (
        (Dry, "output in train mode"),
        (NoSuper, "super().__init__()"),
        (NoForward, "no forward method"),
        (Wide, "parameters, expected"),
    ):
        result = check("alexnet.block", answer)
        assert result.points == 0
        assert expected in words(result)


def test_the_same_answer_gets_the_same_words_every_time() -> None:
    def wrong(x: Tensor) -> Tensor:
        return x + 0.1 * torch.rand(x.shape)

    assert repr(check("alexnet.spread", wrong)) == repr(check("alexnet.spread", wrong))


def test_the_summary_knows_the_latest_check_and_what_was_not_checked() -> None:
    check("alexnet.spread", lambda x: x)
    check("alexnet.spread", spread)
    total = summary("02_alexnet")
    assert [result.status for result in total.results] == ["not checked yet", "not checked yet", "correct"]
    assert repr(total).splitlines()[0] == "02_alexnet: 7 of 20 points"
    assert "<caption>02_alexnet: <strong>7 of 20 points" in total._repr_html_()
    with pytest.raises(CourseError, match="no lesson"):
        summary("03_nothing")


def test_an_unknown_exercise_gets_the_nearest_name() -> None:
    with pytest.raises(CourseError, match=r"Did you mean alexnet\.top_k_error"):
        check("alexnet.topk_error", top_k_error)


class Outline(html.parser.HTMLParser):
    """Checks that tags nest, and keeps how deep each <details> stands."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.depths: list[int] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        if tag == "details":
            self.depths.append(self.open.count("details"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_hints_unfold_one_inside_the_other_and_text_is_escaped() -> None:
    page = top_k(lambda logits, labels, k: 7.0)._repr_html_()
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.depths == [1, 2, 3]
    assert "Then &lt;compare&gt;." in page
    assert "<code>topk</code>" in page
    assert "open" not in re.findall(r"<details[^>]*>", page)[0]


def test_a_result_fits_a_light_and_a_dark_theme_and_needs_no_colour() -> None:
    for answer in (top_k_error, None):
        page = top_k(answer)._repr_html_()
        assert "background" not in page
        assert not re.search(r"[; ']color:", page)
        assert "role='status'" in page
        assert re.search(r"aria-hidden='true'>.</span> (Correct|Wrong)", page)


def test_under_nbgrader_no_points_raise_and_points_are_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(reporting.NBGRADER, "autograde")
    for answer in (None, lambda logits, labels, k: 7.0):
        with pytest.raises(AssertionError, match=r"alexnet\.top_k_error"):
            top_k(answer)
    assert repr(top_k(lambda logits, labels, k: top_k_error(logits, labels, k) if k == 5 else 7.0)) == "2.5"
    assert repr(top_k(top_k_error)) == "5.0"


def test_nbgrader_reads_the_same_points_off_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(reporting.NBGRADER, "autograde")
    result = top_k(lambda logits, labels, k: top_k_error(logits, labels, k) if k == 5 else 7.0)
    shown = v4.new_output("execute_result", {"text/plain": repr(result)})
    mark = {"grade": True, "solution": False, "points": 5}
    assert determine_grade(v4.new_code_cell(outputs=[shown], metadata={"nbgrader": mark})) == (2.5, 5)


def test_only_names_of_answers_are_reminded_of() -> None:
    assert reminder("Block") == "Block is the answer to the exercise 'The block': run that cell first."
    assert reminder("torch") == ""
