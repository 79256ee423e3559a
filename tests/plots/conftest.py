"""Figures are drawn without a screen, and none is left open."""

from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    matplotlib.use("agg")
    plt.close("all")
    yield
    plt.close("all")
