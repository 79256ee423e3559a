"""Seconds from opening a lesson to its first line of work: what its imports cost, and which package takes how much.

Run: python -m benchmarks.lesson_start
"""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

LESSONS = Path(__file__).parent.parent / "lessons"
ROUNDS, PACKAGES = 5, 8


def imports_of(lesson: Path) -> str:
    """The import statements at the top level of a lesson, one a line."""
    tree = ast.parse(lesson.read_text(encoding="utf-8"))
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))


def seconds(code: str) -> float:
    """Wall-clock seconds of a new Python process that runs `code`: the best of several."""
    return min(_seconds(code) for _ in range(ROUNDS))


def _seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - started


def by_package(code: str) -> Counter[str]:
    """Seconds that each top-level package's own modules take to import, by `python -X importtime`."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], check=True, capture_output=True, text=True)
    shares: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        own, _, module = (part.strip() for part in line.removeprefix("import time:").split("|"))
        if own.isdigit():
            shares[module.partition(".")[0]] += int(own)
    return Counter({package: microseconds / 1e6 for package, microseconds in shares.items()})


def main() -> None:
    """Print each lesson's seconds, beside those of PyTorch alone, and the packages that take most of them."""
    floor = seconds("import torch")
    print(f"Start of a lesson: imports in a new process, best of {ROUNDS}; `import torch` alone takes {floor:.2f} s")
    for lesson in sorted(LESSONS.glob("[0-9]*.py")):
        code = imports_of(lesson)
        taken = seconds(code)
        shares = ", ".join(f"{package} {share:.2f}" for package, share in by_package(code).most_common(PACKAGES))
        print(f"  {lesson.stem}: {taken:.2f} s, ratio to PyTorch alone {taken / floor:.2f}; own seconds: {shares}")


if __name__ == "__main__":
    main()
