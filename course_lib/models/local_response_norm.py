"""Local response normalisation (Krizhevsky et al. 2012, section 3.3): AlexNet, ZFNet and GoogLeNet use it.

`torch.nn.LocalResponseNorm` computes the same function (with alpha * n for our alpha) by averaging over a padded
five-dimensional copy of its input. On a CPU that takes longer than the convolution before it, so the sum stands here
as the paper writes it: n shifted additions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LocalResponseNorm(nn.Module):
    """Divide each activation by a power of the energy of the `size` channels around it.

        b_i = a_i / (k + alpha * sum_j a_j ** 2) ** beta,    |j - i| <= size / 2, cut off at the first and last channel

    The defaults are AlexNet's. `alpha` is the paper's: PyTorch, Caffe and cuda-convnet divide theirs by `size`.
    Maps (N, C, H, W) to (N, C, H, W), in the type of its input; types below 32 bits are computed in float32.
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        a = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        before = self.size // 2
        padded = F.pad(a.square(), (0, 0, 0, 0, before, self.size - 1 - before))
        channels = a.shape[1]
        energy = padded[:, :channels]
        for j in range(1, self.size):
            energy = energy + padded[:, j : j + channels]
        return (a * (self.k + self.alpha * energy).pow(-self.beta)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
