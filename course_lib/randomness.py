"""Random numbers of Python, NumPy and PyTorch together: seeded, and handed back as they were."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's random numbers, on all devices: call it before building a network."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Inside, random numbers may be drawn and seeded at will; afterwards the caller's go on as if nothing had been."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
