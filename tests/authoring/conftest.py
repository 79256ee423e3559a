"""The registry holds the sample lesson's exercises and no others."""

import pytest

from tests.exercises import questions


@pytest.fixture(autouse=True)
def _sample_exercises(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "committed" not in request.node.nodeid:
        questions.put_in_place(monkeypatch)
