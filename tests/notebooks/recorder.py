"""A pytest plugin that keeps what nbval executed, so that no notebook need run twice to be looked at twice.

python -m pytest --nbval-lax -p tests.notebooks.recorder --record outputs.json notebook.ipynb
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, required=True, help="write the outputs of every code cell to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config.getoption("--record")))


class Recorder:
    """Collects nbval's items as they end: their cell's source and its outputs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells: list[dict[str, Any]] = []

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        outputs = getattr(item, "test_outputs", None)
        if outputs is not None:
            self.cells.append({"source": item.cell.source, "outputs": outputs})  # type: ignore[attr-defined]

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(json.dumps(self.cells), encoding="utf-8")
