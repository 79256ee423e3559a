"""What this machine is and what it can do: the words beside a measured time, and the choice of a number format."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from course_lib.errors import CourseError

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def accelerator() -> torch.device:
    """The device that trains here: CUDA, Apple's MPS or another accelerator where there is one, else the CPU."""
    if torch.accelerator.is_available():
        return torch.device(torch.accelerator.current_accelerator() or "cpu")
    return torch.device("cpu")


def native_bfloat16(device: torch.device | str = "cpu") -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware (CPU: avx512_bf16 or AMX; CUDA: Ampere and later).

    Elsewhere bfloat16 is emulated and slower than float32. The probes are PyTorch's own; they carry an underscore and
    come and go between versions, so one that is missing counts as a no.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu":
        return False
    return any(_probe(name) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))


def cores() -> int:
    """Cores that this process may use, which is fewer than the machine has under taskset or in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(device: torch.device | str | None = None) -> str:
    """The machine in a few words: "2 cores, Intel(R) Xeon(R) ..., AMX bf16" or "NVIDIA H100 80GB HBM3"."""
    device = accelerator() if device is None else torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    count = cores()
    words = [f"{count} core{'s' if count > 1 else ''}", _processor()]
    if _probe("_is_amx_tile_supported"):
        words.append("AMX bf16")
    elif _probe("_is_avx512_bf16_supported"):
        words.append("AVX-512 bf16")
    if device.type != "cpu":
        words.append(device.type.upper())
    return ", ".join(word for word in words if word)


@dataclass(frozen=True)
class Place:
    """Where a network runs and in which form: device, number format of its products, order of its images in memory.

    dtype: weights stay float32; convolutions and matrix products run in dtype (`torch.autocast`).
    channels_last: images lie in memory as (N, H, W, C), the order that CPU and tensor-core kernels read fastest.
    """

    device: torch.device
    dtype: torch.dtype
    channels_last: bool

    @classmethod
    def choose(
        cls, network: nn.Module, device: torch.device | str, precision: Precision, channels_last: bool | Literal["auto"]
    ) -> Place:
        """The fastest place for `network` here, where the caller says "auto". Raises CourseError for unknown words."""
        try:
            device = accelerator() if device == "auto" else torch.device(device)
        except RuntimeError as error:
            raise CourseError(f"There is no device {device!r}. Use 'auto', 'cpu', 'cuda' or 'mps'.") from error
        formats = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
        if precision == "auto":
            dtype = torch.bfloat16 if native_bfloat16(device) else torch.float32
            if device.type == "cuda" and dtype is torch.float32:
                dtype = torch.float16
        elif precision in formats:
            dtype = formats[precision]
        else:
            raise CourseError(f"There is no precision {precision!r}. Use one of: auto, {', '.join(formats)}.")
        if channels_last == "auto":
            convolves = any(isinstance(layer, nn.Conv2d) for layer in network.modules())
            channels_last = convolves and device.type in ("cpu", "cuda")
        return cls(device, dtype, channels_last)

    def autocast(self) -> torch.autocast:
        """The context in which convolutions and matrix products run in `dtype`."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32)

    @contextlib.contextmanager
    def holding(self, network: nn.Module) -> Iterator[None]:
        """Move `network` here and, at the end, back to where it was, in eval mode and in PyTorch's usual memory order.

        The usual order, because `view` and safetensors refuse weights that are channels-last.
        """
        home = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        order = torch.channels_last if self.channels_last else torch.contiguous_format
        try:
            network.to(self.device, memory_format=order)  # type: ignore[call-overload]
            yield
        finally:
            network.to(home, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            network.eval()


def _probe(name: str) -> bool:
    try:
        return bool(getattr(torch.cpu, name)())
    except (AttributeError, RuntimeError):
        return False


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
