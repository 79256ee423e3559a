"""Kernels as processes: how they start, how much memory they and their children hold, that none survives its run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import IO, Any

import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

SAMPLE_SECONDS = 0.2
"""How often a kernel's memory is read; a peak shorter than this may be missed."""


class Kernel:
    """A kernel's process and everything it started, and the most memory they held together (bytes, resident)."""

    def __init__(self, launched: subprocess.Popen[bytes]) -> None:
        self.peak_memory = 0
        self._launched = launched
        self._root = psutil.Process(launched.pid)
        self._seen = {self._root}
        self._ended = threading.Event()

    def watch(self) -> None:
        """Read the memory until the kernel is killed."""
        while not self._ended.wait(SAMPLE_SECONDS):
            memory = 0
            for process in self._family():
                with contextlib.suppress(psutil.Error):
                    memory += process.memory_info().rss
            self.peak_memory = max(self.peak_memory, memory)

    def kill(self) -> None:
        """End the kernel and all it started. Harmless where they have ended already."""
        self._ended.set()
        for process in self._family() | self._session():
            with contextlib.suppress(psutil.Error):
                if process.is_running():  # compares start times: a process number used again is not one of ours
                    process.kill()

    def ending(self) -> str:
        """How the process ended, in words: empty where nobody has seen it end."""
        status = self._launched.returncode
        if status is None:
            return ""
        if status >= 0:
            return f"exit status {status}"
        name = signal.Signals(-status).name
        return f"{name}: often, memory ran out" if name == "SIGKILL" else name

    def _family(self) -> set[psutil.Process]:
        """The kernel and all below it, now or at an earlier look: a dead kernel's orphans are nobody's children."""
        with contextlib.suppress(psutil.Error):
            self._seen = {*self._seen, *self._root.children(recursive=True)}
        return self._seen

    def _session(self) -> set[psutil.Process]:
        """What runs in the session that the kernel was started in: orphans that no look has seen."""
        if not hasattr(os, "getsid"):
            return set()
        found = set()
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):
                if os.getsid(process.pid) == self._root.pid:
                    found.add(process)
        return found


class Kernels:
    """The kernels of a batch, so that all of them can be stopped from another thread at any moment."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._running: set[Kernel] = set()
        self._lock = threading.Lock()

    def add(self, kernel: Kernel) -> None:
        with self._lock:
            self._running.add(kernel)
        threading.Thread(target=kernel.watch, name="memory of a kernel", daemon=True).start()
        if self.stopping.is_set():  # it started while the others were being stopped
            kernel.kill()

    def remove(self, kernel: Kernel) -> None:
        kernel.kill()
        with self._lock:
            self._running.discard(kernel)

    def stop(self) -> None:
        """Kill every kernel with all it started; those that start from now on die at once."""
        self.stopping.set()
        with self._lock:
            running = list(self._running)
        for kernel in running:
            kernel.kill()


def manager(environment: dict[str, str], log: IO[bytes], started: Callable[[Kernel], None]) -> type[AsyncKernelManager]:
    """A kernel manager that starts the kernel of this very environment.

    Not the one that a kernel specification of the same name may point to: on a machine with several Pythons that is
    another one's. environment: added to ours. log: where what the process itself writes goes, so that it neither
    disturbs the display nor is lost when the kernel dies.
    """

    class KernelManager(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**get_kernel_dict())

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]  # nbclient awaits it
            await super().start_kernel(env=os.environ | environment, stdout=log, stderr=log, **options)
            started(Kernel(self.provisioner.process))  # type: ignore[union-attr]

    return KernelManager
