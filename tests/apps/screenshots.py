"""Screenshots of a lesson that has been run in JupyterLab, to look at:

python -m tests.apps.screenshots 02_alexnet --version solutions --theme dark --out build/screenshots
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.apps import jupyterlab

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lesson", help="its full name: 02_alexnet")
    parser.add_argument("--version", choices=("solutions", "notebooks"), default="solutions")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--scale", choices=("smoke", "laptop", "gpu"), default="smoke")
    parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "screenshots")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        sys.exit("There is no Chromium. On Debian: apt install chromium")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "course")
        shutil.copytree(ROOT / options.version, copy / options.version)
        state = Path(folder, "jupyter")
        with (
            jupyterlab.server(copy, state, options.theme, COURSE_SCALE=options.scale) as address,
            jupyterlab.browser(program) as browser,
        ):
            path = f"{options.version}/{options.lesson}.ipynb"
            notebook = jupyterlab.Notebook.open(browser, address, path, options.width)
            notebook.run_all()
            for picture in notebook.screenshots(options.out, f"{options.version}-{options.lesson}-{options.theme}"):
                print(picture)
            problems = notebook.problems
    print("\n".join(problems) or "No problems seen.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
