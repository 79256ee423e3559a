"""How near a training step comes to what the machine can multiply at all.

The limit is a large matrix product in the same number format. A step counts as three forward passes (forward, gradient
of the inputs, gradient of the weights) of two operations a multiply-add; what is no product counts as nothing.
Run: python -m benchmarks.physical_limit
"""

from __future__ import annotations

import time

import torch

from benchmarks import training_step
from course_lib import machine


def product_rate(dtype: torch.dtype, size: int = 4096, rounds: int = 5) -> float:
    """Operations a second of a size x size matrix product, the best of several."""
    device = machine.accelerator()
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(1 + rounds):
        started = time.perf_counter()
        # Reading one number waits for the device.
        (left @ right)[0, 0].item()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds[1:])


def main() -> None:
    """Print the limit of each number format and the fraction of it that each loop reaches."""
    ours = machine.Place.choose(training_step.residual_network(), "auto", "auto", "auto").dtype
    limits = {dtype: product_rate(dtype) for dtype in {torch.float32, ours}}
    print(f"Physical limit, a product of two 4096 x 4096 matrices, {machine.describe()}")
    for dtype, rate in limits.items():
        print(f"  {str(dtype).removeprefix('torch.')}: {rate / 1e9:,.0f} GFLOP/s")
    for name, build in training_step.NETWORKS.items():
        measured = training_step.measure(build)
        operations = 3 * 2 * measured.multiply_adds * training_step.BATCH_SIZE
        for loop, seconds, dtype in (
            ("plain float32 loop", measured.plain, torch.float32),
            ("training.fit", measured.ours, ours),
        ):
            rate = operations / seconds
            print(f"  {name}, {loop}: {rate / 1e9:,.0f} GFLOP/s, {100 * rate / limits[dtype]:.0f} % of the limit")


if __name__ == "__main__":
    main()
