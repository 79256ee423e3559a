"""The command line as people and scripts use it: exit status, one clear line, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import checkouts
from tests.programs import find_program

SECONDS = 120
"""How long a test waits for what should take a few seconds before it gives up."""

COURSE = [sys.executable, "-c", "from course_lib.cli import main; main()"]


def course(
    *arguments: object, where: Path, before: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COURSE_")} | variables
    return subprocess.run(
        [*before, *COURSE, *map(str, arguments)],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return checkouts.make(tmp_path / "course", good=["print(scale)"], alexnet=["1 / 0"])


def test_run_leaves_a_table_and_a_page_and_status_0(root: Path) -> None:
    ended = course("run", "good", where=root / "lessons")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1 of 1 notebooks passed." in ended.stdout
    assert str(root / "out" / "run" / "index.html") in ended.stdout.replace("\n", "")
    assert sorted(path.name for path in (root / "out" / "run").iterdir()) == [
        "01_good.html",
        "01_good.ipynb",
        "index.html",
    ]


def test_a_failing_lesson_is_status_1_with_its_traceback_once(root: Path, tmp_path: Path) -> None:
    ended = course("run", "--version", "notebooks", "--jobs", 2, "--out", tmp_path / "elsewhere", where=root)
    assert ended.returncode == 1
    assert "1 of 2 notebooks passed." in ended.stdout
    assert (ended.stdout + ended.stderr).count("ZeroDivisionError: division by zero") == 1
    assert {"01_good.ipynb", "02_alexnet.ipynb", "index.html"} <= {
        path.name for path in (tmp_path / "elsewhere").iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "alexnt"], "no lesson 'alexnt'. Did you mean alexnet"),
        (["run", "--scale", "labtop"], "no scale 'labtop'. Did you mean laptop"),
        (["run", "--version", "solution"], "no version 'solution'. Did you mean solutions"),
        (["run", "--jobs", "0"], "--jobs"),
        (["build", "99"], "no lesson '99'. There is: 01_good, 02_alexnet"),
        (["models", "alexnt"], "no network 'alexnt'. The nearest: alexnet"),
        (["rum"], "rum"),
        (["run", "--sclae", "smoke"], "--sclae"),
    ],
)
def test_what_is_typed_wrong_is_one_line_and_status_2(root: Path, arguments: list[str], words: str) -> None:
    ended = course(*arguments, where=root)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stderr.startswith("course: ")
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_outside_a_checkout_is_one_line(tmp_path: Path) -> None:
    ended = course("run", where=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"{tmp_path} is not inside a checkout" in ended.stderr


def test_a_folder_that_cannot_be_written_is_one_line(root: Path) -> None:
    (root / "file").touch()
    ended = course("run", "good", "--out", root / "file" / "out", where=root)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert str(root / "file") in ended.stderr


def test_a_full_disk_is_one_line(root: Path) -> None:
    sandbox = find_program("bwrap", "bubblewrap")
    out = root / "small"
    out.mkdir()
    notebook = root / "solutions" / "01_good.ipynb"
    notebook.write_text(notebook.read_text().replace("print(scale)", "print('x' * 3000000)"))
    disk = (sandbox, "--dev-bind", "/", "/", "--size", "1000000", "--tmpfs", str(out))
    ended = course("run", "good", "--out", out, where=root, before=disk)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "No space left on device" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_kernel_and_its_children(tmp_path: Path, number: signal.Signals) -> None:
    """The notebook starts a child, says through a pipe that it is there, and waits for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    wait = [
        "import os, subprocess, sys, threading",
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])",
        "print('before')",  # a cell of its own: its output has arrived before the next one starts
        f"with open({str(pipe)!r}, 'w') as file:\n    file.write(f'{{os.getpid()}} {{child.pid}}')",
        "threading.Event().wait()",
    ]
    root = checkouts.make(tmp_path / "course", waits=wait)
    running = subprocess.Popen(
        [*COURSE, "run"], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    processes = [psutil.Process(int(pid)) for pid in pipe.read_text().split()]
    running.send_signal(number)
    _, stderr = running.communicate(timeout=SECONDS)
    assert running.returncode == 128 + number
    assert stderr.decode() == "course: stopped\n"
    assert len(processes) == 2
    _, survivors = psutil.wait_procs(processes, timeout=10)
    for process in survivors:
        process.kill()
    assert not survivors
    assert "before" in checkouts.output_text(root / "out" / "run" / "01_waits.ipynb")


def test_help_imports_nothing_heavy() -> None:
    script = """
import sys
from course_lib import cli
sys.argv = ["course", "run", "--help"]
try:
    cli.main()
finally:
    print("heavy:", {"torch", "papermill", "nbconvert", "numpy", "jupyter_client"} & set(sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0
    assert "--scale" in ended.stdout
    assert ended.stdout.endswith("heavy: set()\n")


LESSON = """# %% [markdown]
# # 1 · Dots: a lesson
#
# **Time**: reading 20 minutes, exercises 30, running 10 (scale `laptop`, four cores in 2026).

# %% exercise="alexnet.top_k_error"
def top_k_error(logits, labels, k):
    ...
"""


def test_models_shows_networks_anywhere_as_lines_for_programs(tmp_path: Path) -> None:
    ended = course("models", "alexnet", "resnet20", where=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    head, *lines = ended.stdout.splitlines()
    assert head.split()[:3] == ["network", "year", "pixels"]
    assert [line.split()[:4] for line in lines] == [
        ["alexnet", "2012", "224", "60,965,224"],
        ["resnet20", "2016", "32", "269,722"],
    ]


def test_models_shows_a_table_on_a_terminal(tmp_path: Path) -> None:
    ended = course("models", "alexnet", where=tmp_path, FORCE_COLOR="1", COLUMNS="120")
    assert ended.returncode == 0
    (row,) = (line for line in ended.stdout.splitlines() if "│ alexnet" in line)
    assert "60,965,224" in row


def test_list_shows_title_minutes_points_and_exercises(tmp_path: Path) -> None:
    root = checkouts.make(tmp_path / "course", dots=[])
    (root / "lessons" / "01_dots.py").write_text(LESSON, encoding="utf-8")
    ended = course("list", where=root, COLUMNS="100")
    assert ended.returncode == 0, ended.stderr
    row = [cell.strip() for line in ended.stdout.splitlines() if "01_dots" in line for cell in line.split("│")]
    assert row[1:4] == ["01_dots", "1 · Dots: a lesson", "60"]
    assert row[5] == "1"


def test_data_status_says_which_copy_and_downloads_nothing(tmp_path: Path) -> None:
    ended = course("data", "status", where=tmp_path, COURSE_CACHE=str(tmp_path), COURSE_OFFLINE="1")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("CIFAR-10: ")
    assert f"cache: {tmp_path}" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_data_fetch_without_a_network_is_one_line(tmp_path: Path) -> None:
    ended = course("data", "fetch", where=tmp_path, COURSE_CACHE=str(tmp_path), COURSE_OFFLINE="1")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("course: ")
    assert ended.stderr.count("\n") == 1


def test_building_a_lesson_that_breaks_a_rule_is_no_traceback_and_writes_nothing(tmp_path: Path) -> None:
    root = checkouts.make(tmp_path / "course", dots=[])
    (root / "lessons" / "01_dots.py").write_text("# %%\nx = = 2\n", encoding="utf-8")
    before = (root / "notebooks" / "01_dots.ipynb").read_bytes()
    ended = course("build", where=root)
    assert ended.returncode == 1
    assert "01_dots.py" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (root / "notebooks" / "01_dots.ipynb").read_bytes() == before
