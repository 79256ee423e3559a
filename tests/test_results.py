"""The course-wide table: nothing recorded is lost or mixed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from dataclasses import asdict
from pathlib import Path

import pytest

from course_lib import results
from course_lib.errors import CourseError
from course_lib.history import Epoch, History
from course_lib.profiling import Layer, Profile


def history(accuracy: float = 0.8, scale: str = "laptop", source: str = "CIFAR-10", seed: int = 0) -> History:
    epochs = (Epoch(1, 1.0, 0.5, 0.9, 0.9, 0.05, 30.0), Epoch(2, 0.6, 0.3, 0.7, 1 - accuracy, 0.0, 31.0))
    return History("AlexNet", source, source == "miniature", scale, seed, epochs)


def record(network: str = "alexnet", **options: object) -> results.Result:
    return results.record("02_alexnet", network, history=history(**options))  # type: ignore[arg-type]


@pytest.mark.usefixtures("cache")
class TestRecording:
    def test_an_empty_table_says_so(self) -> None:
        assert len(results.table()) == 0
        assert "empty" in repr(results.table())
        assert "empty" in results.table()._repr_html_()

    def test_a_recorded_network_is_read_back_as_it_was(self) -> None:
        layer = Layer("conv1", "Conv2d", (1, 8, 32, 32), 1_000, 2_000_000, 8_192, 1.5)
        profile = Profile("AlexNet", (1, 3, 32, 32), "cpu", (layer,))
        kept = results.record("02_alexnet", "alexnet", history=history(), profile=profile)
        assert list(results.table()) == [kept]
        assert (kept.parameters, kept.multiply_adds, kept.latency_ms) == (1_000, 2_000_000, 1.5)
        assert (kept.accuracy, kept.training_seconds, kept.epochs) == (pytest.approx(0.8), 61.0, 2)
        assert kept.machine

    def test_the_newest_run_of_an_experiment_is_shown_and_the_older_kept(self, cache: Path) -> None:
        record(accuracy=0.9)
        record(accuracy=0.6)
        assert [row.accuracy for row in results.table()] == [pytest.approx(0.6)]
        assert len((cache / results.FILE_NAME).read_text().splitlines()) == 2

    def test_scale_source_and_seed_keep_experiments_apart(self) -> None:
        for different in ({}, {"scale": "smoke"}, {"source": "miniature"}, {"seed": 1}):
            record(**different)
        assert len(results.table()) == 4
        assert {row.scale for row in results.table(scale="laptop")} == {"laptop"}
        assert len(results.table(scale="smoke")) == 1
        assert len(results.table(lesson="01_datasets")) == 0

    def test_the_best_network_of_a_scale_comes_first(self) -> None:
        for network, accuracy in (("worse", 0.5), ("best", 0.9), ("middle", 0.7)):
            record(network, accuracy=accuracy)
        record("smoke run", accuracy=0.99, scale="smoke")
        assert [row.network for row in results.table()] == ["best", "middle", "worse", "smoke run"]

    def test_a_result_made_on_the_miniature_says_so(self) -> None:
        record(source="miniature")
        assert "no photographs" in repr(results.table())
        assert "no photographs" in results.table()._repr_html_()

    def test_names_cannot_inject_html(self) -> None:
        record("<script>")
        assert "<script>" not in results.table()._repr_html_()

    def test_a_history_without_an_epoch_is_no_result(self) -> None:
        with pytest.raises(CourseError, match="no result to record"):
            results.record("02_alexnet", "alexnet", history=History("AlexNet", "CIFAR-10", False, "smoke", 0))

    def test_only_the_first_of_several_processes_writes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RANK", "1")
        record()
        assert len(results.table()) == 0


def test_lessons_that_record_at_once_lose_nothing(cache: Path) -> None:
    threads = [threading.Thread(target=record, args=(f"network {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.network for row in results.table()} == {f"network {number}" for number in range(8)}


@pytest.mark.parametrize(
    "damage",
    [
        '{"lesson": "02_alexnet", "netw',
        "[1, 2]",
        "null",
        json.dumps({"lesson": "02"}),
        "\x00\x01",
        "[" * 100_000,
    ],
)
def test_an_unreadable_line_is_set_aside_and_the_others_stay(damage: str, cache: Path) -> None:
    first = record("first")
    path = cache / results.FILE_NAME
    path.write_text(path.read_text() + damage + "\n")
    damaged = path.read_bytes()
    with pytest.warns(UserWarning, match=r"1 line\(s\) .* cannot be read"):
        assert list(results.table()) == [first]
    with pytest.warns(UserWarning, match="kept as"):
        second = record("second")
    assert [file.read_bytes() for file in cache.glob("results-unreadable-*.jsonl")] == [damaged]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {row.network for row in results.table()} == {first.network, second.network}


@pytest.mark.parametrize(
    ("field", "value"), [("accuracy", "high"), ("epochs", 1.5), ("seed", True), ("network", None), ("is_miniature", 0)]
)
def test_a_value_of_the_wrong_kind_makes_a_line_unreadable(field: str, value: object, cache: Path) -> None:
    row = asdict(record()) | {field: value}
    (cache / results.FILE_NAME).write_text(json.dumps(row))
    with pytest.warns(UserWarning, match="cannot be read"):
        assert len(results.table()) == 0


def test_a_cache_that_cannot_be_written_costs_no_lesson(tmp_path: Path) -> None:
    """In a process of its own: the temporary folder that stands in lasts as long as the process."""
    (tmp_path / "file").write_text("in the way")
    code = (
        "from tests_history import history; from course_lib import results; "
        "results.record('02_alexnet', 'alexnet', history=history); print('went on')"
    )
    (tmp_path / "tests_history.py").write_text(
        "from course_lib.history import Epoch, History\n"
        "history = History('AlexNet', 'CIFAR-10', False, 'smoke', 0, (Epoch(1, 1.0, 0.5, 0.9, 0.4, 0.05, 3.0),))\n"
    )
    environment = os.environ | {"COURSE_CACHE": str(tmp_path / "file" / "cache"), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert "went on" in done.stdout
    assert "cannot be written" in done.stderr
