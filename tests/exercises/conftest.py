"""The exercises that the engine's tests put to answers of their own."""

import pytest

from tests.exercises import questions as sample


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    sample.put_in_place(monkeypatch)
