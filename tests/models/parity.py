"""How far two networks are apart: what every comparison with another implementation measures."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def difference(ours: nn.Module, theirs: nn.Module, x: Tensor) -> float:
    """Largest difference of the logits, relative to their size; infinite where one of them cannot take `x`."""
    with torch.no_grad():
        try:
            a, b = ours(x), theirs(x)
        except RuntimeError:
            return float("inf")
    return float((a - b).abs().max() / b.abs().max())
