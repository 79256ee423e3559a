"""Downloads: whatever a mirror, the network, the disk or the reader does, the file is whole or not there."""

from __future__ import annotations

import errno
import hashlib
import random
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from course_lib.data import download
from course_lib.errors import CourseError
from tests.data.servers import Server, serving

CONTENT = random.Random(0).randbytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def network_allowed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_OFFLINE")
    monkeypatch.setenv("no_proxy", "*")


def fetch(folder: Path, *servers: Server | str, **options: Any) -> Path:
    urls = [server if isinstance(server, str) else server.url for server in servers]
    options = {"md5": MD5, "size": len(CONTENT), "stall_seconds": 0.3, "progress": False} | options
    return download.fetch(urls, folder / "file.bin", **options)


def left(folder: Path) -> bytes:
    file = download.partial(folder / "file.bin")
    return file.read_bytes() if file.exists() else b""


def test_a_file_arrives_whole_and_only_once(tmp_path: Path) -> None:
    with serving(CONTENT) as mirror:
        for _ in range(2):
            assert fetch(tmp_path, mirror).read_bytes() == CONTENT
        assert mirror.asked_from == [0]
    assert not left(tmp_path)


def test_a_mirror_that_stalls_is_left_and_the_next_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serving(CONTENT, stop_after=100_000, stalls=True) as slow, serving(CONTENT) as good:
        assert fetch(tmp_path, slow, good).read_bytes() == CONTENT
        assert good.asked_from == [100_000]


def test_a_connection_that_breaks_off_again_and_again_still_gets_there(tmp_path: Path) -> None:
    with serving(CONTENT, stop_after=70_000) as mirror:
        assert fetch(tmp_path, mirror).read_bytes() == CONTENT
        assert mirror.asked_from == [0, 70_000, 140_000, 210_000, 280_000]


def test_when_every_mirror_stalls_what_came_is_kept_for_the_next_try(tmp_path: Path) -> None:
    with serving(CONTENT, stop_after=0, stalls=True) as dead, serving(CONTENT, stop_after=0, stalls=True) as deader:
        download.partial(tmp_path / "file.bin").write_bytes(CONTENT[:1000])
        with pytest.raises(download.UnreachableError, match=r"nothing came for 0.3 s.*are kept"):
            fetch(tmp_path, dead, deader)
    assert left(tmp_path) == CONTENT[:1000]
    with serving(CONTENT) as good:
        assert fetch(tmp_path, good).read_bytes() == CONTENT
        assert good.asked_from == [1000]


def test_a_server_without_ranges_sends_all_again_and_nothing_is_doubled(tmp_path: Path) -> None:
    download.partial(tmp_path / "file.bin").write_bytes(CONTENT[:1000])
    with serving(CONTENT, knows_ranges=False) as mirror:
        assert fetch(tmp_path, mirror).read_bytes() == CONTENT
        assert mirror.asked_from == [1000]


def test_wrong_contents_are_never_kept_and_the_next_mirror_is_asked(tmp_path: Path) -> None:
    with serving(CONTENT[::-1]) as liar, serving(CONTENT) as good:
        with pytest.raises(CourseError, match="wrong contents"):
            fetch(tmp_path, liar)
        assert not (tmp_path / "file.bin").exists()
        assert not left(tmp_path)
        assert fetch(tmp_path, liar, good).read_bytes() == CONTENT


def test_a_mirror_that_goes_on_from_wrong_bytes_gets_a_chance_from_the_beginning(tmp_path: Path) -> None:
    download.partial(tmp_path / "file.bin").write_bytes(b"x" * 5000)
    with serving(CONTENT) as good:
        assert fetch(tmp_path, good).read_bytes() == CONTENT
        assert good.asked_from == [5000, 0]


@pytest.mark.parametrize("other", [{"status": 404}, {"content": b"<html>Please log in</html>", "knows_ranges": False}])
def test_a_page_in_the_files_place_costs_nothing_received_so_far(tmp_path: Path, other: dict[str, Any]) -> None:
    download.partial(tmp_path / "file.bin").write_bytes(CONTENT[:1000])
    with serving(**({"content": CONTENT} | other)) as wrong, serving(CONTENT) as good:
        with pytest.raises(CourseError, match=r"127\.0\.0\.1"):
            fetch(tmp_path, wrong)
        assert left(tmp_path) == CONTENT[:1000]
        fetch(tmp_path, wrong, good)
        assert good.asked_from == [1000]


def test_a_file_damaged_after_its_download_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1] + b"?")
    with serving(CONTENT) as mirror:
        assert fetch(tmp_path, mirror).read_bytes() == CONTENT


def test_ctrl_c_keeps_what_came_and_the_next_call_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupts(SimpleNamespace):
        def update(self, count: int) -> None:
            raise KeyboardInterrupt

        def refresh(self) -> None:
            pass

    with serving(CONTENT) as mirror:
        with monkeypatch.context() as patch:
            patch.setattr(download, "BLOCK", 50_000)
            patch.setattr(download, "_bar", lambda *_: nullcontext(Interrupts()))
            with pytest.raises(KeyboardInterrupt):
                fetch(tmp_path, mirror)
        received = len(left(tmp_path))
        assert 0 < received <= 50_000
        assert fetch(tmp_path, mirror).read_bytes() == CONTENT
        assert mirror.asked_from == [0, received]


def test_a_disk_too_small_is_known_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with serving(CONTENT) as mirror, pytest.raises(CourseError, match=r"is full; 0 MB are needed.*COURSE_CACHE"):
        fetch(tmp_path, mirror)
    assert mirror.asked_from == []


def test_a_disk_that_fills_up_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_go_on", full)
    with serving(CONTENT) as mirror, pytest.raises(CourseError, match="is full"):
        fetch(tmp_path, mirror)


def test_without_a_network_every_host_refuses_at_once(tmp_path: Path) -> None:
    with serving(CONTENT) as gone:
        pass
    with pytest.raises(download.UnreachableError, match="no network"):
        fetch(tmp_path, gone)


def test_a_network_that_answers_nothing_is_given_up_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Looking up a name can hang for a minute, and no argument of Python's ends it: so does this one, until released.
    hanging = threading.Event()

    def connect(*_: object, **__: object) -> None:
        hanging.wait(60)
        raise OSError("no such host")

    monkeypatch.setattr(download.socket, "create_connection", connect)
    try:
        with pytest.raises(download.UnreachableError, match="no network"):
            fetch(tmp_path, "https://one.invalid/f", "https://two.invalid/f", offline_seconds=0.05)
    finally:
        hanging.set()
    assert download.OFFLINE_SECONDS < 5


def test_course_offline_forbids_even_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with serving(CONTENT) as mirror, pytest.raises(download.UnreachableError, match="COURSE_OFFLINE"):
        fetch(tmp_path, mirror)
    assert mirror.asked_from == []


def test_behind_a_proxy_it_is_the_proxy_that_must_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert download._address("https://files.example/a") == ("proxy.example", 3128)
    monkeypatch.setenv("no_proxy", "files.example")
    assert download._address("https://files.example/a") == ("files.example", 443)


def test_two_threads_that_want_the_file_fetch_it_once(tmp_path: Path) -> None:
    with serving(CONTENT) as mirror:
        threads = [threading.Thread(target=fetch, args=(tmp_path, mirror)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert mirror.asked_from == [0]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
