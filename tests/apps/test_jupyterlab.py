"""The lessons in JupyterLab, in a browser: they open, run from the menu, and show what they should."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from tests.apps.conftest import ROOT

NOTEBOOKS = sorted([*ROOT.glob("solutions/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")], key=lambda path: path.stem)


@pytest.mark.parametrize("notebook", [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in NOTEBOOKS])
def test_a_lesson_runs_from_the_menu_and_shows_no_problem(notebook: Path, address: str, browser: object) -> None:
    from tests.apps.jupyterlab import Notebook

    opened = Notebook.open(browser, address, f"{notebook.parent.name}/{notebook.name}")  # type: ignore[arg-type]
    opened.run_all()
    name = f"{notebook.parent.name}-{notebook.stem}-light"
    assert opened.screenshots(ROOT / "build" / "screenshots", name)
    assert opened.problems == []
    assert f"{20 if notebook.parent.name == 'solutions' else 0} of 20 points" in opened.text
    opened.page.close()


def test_what_goes_wrong_in_a_notebook_is_seen(folder: Path, address: str, browser: object) -> None:
    """Without this, the test above could pass because it looks in the wrong place."""
    from tests.apps.jupyterlab import Notebook

    cells = [
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        'from IPython.display import HTML\nHTML(\'<img src="data:image/png;base64,AAAA" alt="words">\')',
        "import ipywidgets\nipywidgets.IntSlider(description='shows')",
        "1 / 0",
        "print('never')",
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(metadata={"kernelspec": kernel}, cells=list(map(v4.new_code_cell, cells)))
    nbformat.write(notebook, folder / "wrong.ipynb")
    opened = Notebook.open(browser, address, "wrong.ipynb")  # type: ignore[arg-type]
    opened.run_all()
    assert opened.problems == [
        "cell 4 raises ZeroDivisionError: division by zero",
        "cell 1 shows a picture without alternative text",
        "cell 2 shows a broken picture",
    ]
    assert "shows" in opened.text
    assert "never" not in opened.text.replace("print('never')", "")
    opened.page.close()
