"""The cache: never a half-written file, never two writers, and never in the way."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.data import cache as caching
from course_lib.errors import CourseError


def read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def keep(text: str) -> str:
    return caching.kept("folder/file", read=read, make=lambda: text, write=Path.write_text)


def test_what_is_made_is_kept_for_the_next_one(cache: Path) -> None:
    assert keep("first") == keep("second") == "first"
    assert (cache / "folder" / "file").read_text() == "first"


def test_the_folder_is_the_users_own_unless_course_cache_names_another(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert caching.cache_folder() == cache
    monkeypatch.delenv("COURSE_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert caching.cache_folder() == tmp_path / "xdg" / "image-classification-course"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_what_is_interrupted_while_it_is_written_is_never_there(tmp_path: Path, fault: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with caching.atomic(path) as partial:
            partial.write_text("half of the n")
            raise fault

    with pytest.raises(fault):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_half_written_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_text("left by a killed process, and longer")
    with caching.atomic(tmp_path / "file") as partial:
        partial.write_text("new")
    assert (tmp_path / "file").read_text() == "new"


def test_a_full_disk_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"is full.*COURSE_CACHE"), caching.atomic(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_refuses_costs_a_word_and_not_the_result(cache: Path, fault: int) -> None:
    def write(path: Path, _: str) -> None:
        with caching.atomic(path) as partial:
            partial.write_text("half")
            raise OSError(fault, "refused")

    with pytest.warns(UserWarning, match="Not kept for the next time"):
        assert caching.kept("file", read=read, make=lambda: "made", write=write) == "made"
    assert not (cache / "file").exists()


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_folder_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").write_text("where a folder would have to be")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a-file" / "cache"))
    with pytest.warns(UserWarning, match=r"cannot be written.*COURSE_CACHE"):
        folder = caching.writable_folder()
    (folder / "file").write_text("it works")
    # The word is said once, and what was kept in the temporary folder serves the rest of the process.
    assert caching.writable_folder() == folder
    assert keep("first") == keep("second") == "first"


def test_errors_of_the_maker_are_passed_on_and_leave_nothing_locked(cache: Path) -> None:
    def fail() -> str:
        raise OSError("the maker's own")

    with pytest.raises(OSError, match="the maker's own"):
        caching.kept("folder/file", read=read, make=fail, write=Path.write_text)
    assert keep("next") == "next"


FILL = """
import sys, warnings
from pathlib import Path
from course_lib.data import cache

def make():
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    print("making", flush=True)
    sys.stdin.readline()
    return "x" * 1_000_000

def read(path):
    return path.read_text() if path.exists() else None

cache.PATIENCE = 0.05
print(len(cache.kept("file", read=read, make=make, write=Path.write_text)), flush=True)
"""


def start(log: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FILL, str(log)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def test_of_processes_that_fill_the_cache_at_once_one_does_the_work_and_all_get_it(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = start(log)
    assert first.stdout is not None
    assert first.stdout.readline() == "making\n"  # it holds the lock from here on
    others = [start(log) for _ in range(2)]
    for other in others:
        assert other.stdout is not None
        assert "Waiting for another process" in other.stdout.readline()
    first.communicate("go on\n", timeout=60)
    for other in others:
        assert other.communicate("go on\n", timeout=60)[0].endswith("1000000\n")
    assert log.read_text() == "made\n"


def test_a_process_that_is_killed_at_work_does_not_lock_out_the_next(cache: Path, tmp_path: Path) -> None:
    killed = start(tmp_path / "log")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "making\n"
    killed.kill()
    killed.communicate()
    assert keep("next") == "next"
    assert caching.kept("file", read=read, make=lambda: "made", write=Path.write_text) == "made"
