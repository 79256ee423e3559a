"""Several processes train what one process would: the way to several GPUs or machines is the same call."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("distributed_run.py")


def launch(out: Path, processes: int, *arguments: str) -> dict[str, Any]:
    command = [sys.executable]
    if processes > 1:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # `launch --cpu` starts several processes only through MPI; `--multi_gpu` does with PyTorch's own launcher,
        # and ACCELERATE_USE_CPU keeps them on the CPU.
        command += ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
        command += ["--num_machines", "1", "--main_process_ip", "127.0.0.1", "--main_process_port", str(port)]
        command += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # the machine's own name need not resolve
    done = subprocess.run(
        [*command, str(SCRIPT), str(out), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    run: dict[str, Any] = json.loads(out.read_text())
    assert run["processes"] == processes
    return run


def test_two_processes_train_to_the_losses_of_one_with_the_same_global_batch(tmp_path: Path) -> None:
    alone = launch(tmp_path / "alone.json", 1)
    together = launch(tmp_path / "together.json", 2, str(tmp_path / "run.pt"))
    for quantity in ("train_loss", "test_loss", "errors"):
        assert together[quantity] == pytest.approx(alone[quantity], rel=1e-4)
    assert_close(together["weights"], alone["weights"])
    assert (tmp_path / "run.pt").exists()


def assert_close(one: Any, other: Any) -> None:
    if isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_close(first, second)
    else:
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
