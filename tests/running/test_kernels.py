"""Kernels as processes: nothing that a lesson starts may outlive its run."""

from __future__ import annotations

from pathlib import Path

import psutil

from course_lib import running
from tests import checkouts


def alive(pid: int) -> bool:
    """A zombie is not: nobody has asked for its exit status yet, that is all."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_no_process_is_left_of_notebooks_that_start_some(tmp_path: Path) -> None:
    """Neither of one that passes, nor of one whose kernel dies and leaves orphans behind."""
    start = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])"
    tell = f"open({str(tmp_path)!r} + '/' + str(child.pid), 'w').close()"
    dies = f"{start}\n{tell}\nimport os\nos._exit(1)"
    root = checkouts.make(tmp_path / "course", passes=[start, tell], dies=[dies])
    outcomes = running.run(root, ["01_passes", "02_dies"], jobs=2, out=root / "out")
    assert [outcome.status for outcome in outcomes] == ["passed", "kernel died"]
    children = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
    assert len(children) == 2
    survivors = [pid for pid in children if alive(pid)]
    for pid in survivors:
        psutil.Process(pid).kill()
    assert not survivors
