"""The set-up cell: nothing where the course is installed, one sentence where it is not, an installation in Colab."""

import importlib.util
import sys
from types import ModuleType

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from course_lib.authoring import colab


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `%pip` is called with."""
    calls: list[str] = []
    shell = InteractiveShell.instance()
    monkeypatch.setitem(shell.magics_manager.magics["line"], "pip", lambda line: calls.append(line))
    return calls


def run() -> tuple[bool, str]:
    """Whether the cell succeeds, and what it shows."""
    with capture_output() as shown:
        result = InteractiveShell.instance().run_cell(colab.setup("https://github.com/someone/course"))
    return result.success, shown.stdout + shown.stderr


def test_nothing_happens_where_the_course_is_installed(installed: list[str]) -> None:
    assert run() == (True, "")
    assert installed == []


def test_elsewhere_one_sentence_says_what_to_do(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    success, shown = run()
    assert not success
    assert len(shown.strip().splitlines()) == 1
    for advice in ("make lab", "Kernel > Change Kernel", "pip install git+https://github.com/someone/course"):
        assert advice in shown
    assert installed == []


def test_colab_installs_the_course(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    assert run()[0]
    assert installed == ["install --quiet git+https://github.com/someone/course"]
