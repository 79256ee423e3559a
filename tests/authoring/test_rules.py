"""Each breach of a rule is one line that names the file, the line and what to do."""

from pathlib import Path

import pytest

from course_lib import authoring
from course_lib.authoring import rules
from course_lib.errors import CourseError
from tests.authoring import sample


def problems(tmp_path: Path, text: str) -> str:
    path = sample.make(tmp_path, text)
    with pytest.raises(CourseError) as caught:
        rules.check(authoring.read(path))
    for line in str(caught.value).splitlines():
        assert line.startswith(f"{path}:")
    return str(caught.value).replace(f"{path}:", "")


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_sample_keeps_to_every_rule(tmp_path: Path) -> None:
    rules.check(authoring.read(sample.make(tmp_path)))


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("seed = 0", "seed = = 0", "seed = = 0", "syntax error"),
        (
            '    ### END SOLUTION\n\n# %%\ncheck("alexnet.spread',
            '\n# %%\ncheck("alexnet.spread',
            None,
            "without `### END",
        ),
        ("    ### BEGIN SOLUTION\n    return x", "    return x", None, "without `### BEGIN"),
        ("    return x - x", "    ### BEGIN SOLUTION\n    return x - x", None, "inside a solution"),
        ("    ### BEGIN SOLUTION\n    return x", "    # BEGIN SOLUTION\n    return x", "    # BEGIN", "exactly"),
        ('# %% exercise="alexnet.spread"', "# %%", None, "without exercise="),
        ('# %%\ncheck("alexnet.spread", spread)\n', "", '# %% exercise="alexnet.spread"', "has no check"),
        ('check("alexnet.spread", spread)', 'check("alexnet.block", spread)', None, "has no check"),
        ("figure.name", 'check("alexnet.spread", 1)', None, "the cell above is not"),
        ('exercise="alexnet.spread"', 'exercise="alexnet.sprad"', '# %% exercise="alexnet.sprad"', "unknown exercise"),
        (sample.SPREAD, "", "# %%", "exercise alexnet.spread is in course_lib/exercises/alexnet.py but not in"),
        (sample.SPREAD, sample.SPREAD + "\n" + sample.SPREAD, None, "a second time"),
        ("def spread(x)", "def sprad(x)", '# %% exercise="alexnet.spread"', "does not define spread"),
        ('    """Less its mean."""\n', "", "def spread", "no docstring"),
        ('"""Less its mean."""', '"""  """', "def spread", "no docstring"),
        ('# %% tags=["parameters"]', "# %%", "# %%", "no parameters cell"),
        (
            "# %%\nscale = scales",
            '# %% tags=["parameters"]\nseed = 1\nscale = scales',
            None,
            "a second parameters cell",
        ),
        ("seed = 0\n", "", '# %% tags=["parameters"]', "does not set `seed`"),
        ('scale = "laptop"\n', "", '# %% tags=["parameters"]', "does not set `scale`"),
        ("figure.name", "figure.name\n" * 45, '# %% alt="A straight', "a cell of 46 lines"),
        ("# # 2 · AlexNet", "# 2 · AlexNet", "# %%", "must be Markdown and start with the title"),
        ('# %%\nsummary("02_alexnet")', '# %%\nsummary("01_datasets")', "# %%\nsummary", "the last code cell"),
        ('# %% [markdown] tags=["solution"]', '# %% [markdown] discuss="alexnet.1"', None, "stands on 2 cells"),
        ("# %%\nfrom", "# %%\n\n# %%\nfrom", None, "an empty cell"),
    ],
)
def test_a_breach_is_named_with_its_line(tmp_path: Path, old: str, new: str, at: str | None, words: str) -> None:
    assert old in sample.LESSON
    text = sample.LESSON.replace(old, new, 1)
    found = problems(tmp_path, text)
    assert words in found
    if at is not None:
        assert any(line.startswith(f"{line_of(text, at)}: ") and words in line for line in found.splitlines()), found


@pytest.mark.parametrize(
    ("code", "draws"),
    [
        ("plots.image_grid(train)", True),
        ("axes = plots.compare(histories)", True),
        ("plt.plot([1, 2])", True),
        ("history.plot()", True),
        ("for ax in axes:\n    ax.imshow(x)", True),
        ("def draw():\n    plt.plot([1, 2])", False),
        ('plots.alt_text("x")', False),
        ("plt.close()", False),
        ("%matplotlib inline", False),
        ("from course_lib import plots", False),
    ],
)
def test_a_cell_that_draws_needs_an_alternative_text(tmp_path: Path, code: str, draws: bool) -> None:
    text = sample.LESSON.replace("scale = scales.get(scale)", "scale = scales.get(scale)\n" + code)
    if draws:
        line = line_of(text, code) + code.count("\n")
        assert f"{line}: " in (found := problems(tmp_path, text))
        assert 'draws, but the cell has no alt="..."' in found
    else:
        rules.check(authoring.read(sample.make(tmp_path, text)))


def test_a_solution_outside_a_function_is_refused_because_the_blank_would_raise_at_once(tmp_path: Path) -> None:
    inside = "        super().__init__()\n        ### BEGIN SOLUTION\n        self.secret_of_init = in_channels\n"
    outside = "        super().__init__()\n\n    ### BEGIN SOLUTION\n    secret = 1\n"
    text = sample.LESSON.replace(inside + "        ### END", outside + "    ### END")
    assert "must stand inside a function" in problems(tmp_path, text)


def test_points_that_do_not_sum_to_twenty_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "POINTS", 21)
    assert "1: the points sum to 20, not 21 (alexnet.top_k_error 5, " in problems(tmp_path, sample.LESSON)


def test_every_breach_is_told_at_once(tmp_path: Path) -> None:
    text = sample.LESSON.replace("seed = 0\n", "").replace('"""Less its mean."""', '""""""')
    assert len(problems(tmp_path, text).splitlines()) == 2


def test_a_lesson_without_exercises_in_the_course_is_told_where_to_add_them(tmp_path: Path) -> None:
    path = sample.make(tmp_path).rename(tmp_path / "lessons" / "09_new.py")
    with pytest.raises(CourseError, match=r"Add it to TOPICS"):
        rules.check(authoring.read(path))
