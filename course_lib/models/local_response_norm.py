"""Local response normalisation (Krizhevsky et al. 2012, section 3.3): AlexNet, ZFNet and GoogLeNet use it.

`torch.nn.LocalResponseNorm` computes the same function (with alpha * size for our alpha), but by a three-dimensional
average pooling, which no CPU has in bfloat16 and which takes longer than all of AlexNet's convolutions of 32 x 32
images together. So the sum stands here as the paper writes it, shifted additions, a few images at a time so that what
is added stays in the processor's cache, with the gradient written out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from course_lib.errors import CourseError

BLOCK = 2**18  # activations worked on at a time: 1 MiB of float32, which fits in the second-level cache


class LocalResponseNorm(nn.Module):
    """Divide each activation by a power of the energy of the `size` channels around it.

        b_i = a_i / (k + alpha * sum_j a_j ** 2) ** beta,    |i - j| <= size // 2, cut off at the first and last channel

    The defaults are AlexNet's. `alpha` is the paper's: PyTorch, Caffe and cuda-convnet divide theirs by `size`.
    Maps (N, C, H, W) to (N, C, H, W) in the type of its input; types below 32 bits are computed in float32.
    Raises CourseError where `size` is even: the window of a channel is centred on it.
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        if size % 2 == 0:
            raise CourseError(f"size={size} has no channel in its middle. Use an odd size; the papers use 5.")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        constants = self.size, self.alpha, self.beta, self.k
        if torch.compiler.is_compiling():  # a compiler or an exporter wants the formula, and does its own blocking
            return _normalise(x, *constants)
        return _Blocked.apply(x, *constants)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class _Blocked(torch.autograd.Function):
    """`_normalise`, a block of images at a time, keeping nothing for the gradient but its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.constants = constants = (size, alpha, beta, k)
        y = torch.empty_like(x)
        for block, out in zip(_blocks(x), _blocks(y), strict=True):
            out.copy_(_normalise(block, *constants))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        result = torch.empty_like(x)
        for block, outer, out in zip(_blocks(x), _blocks(gradient), _blocks(result), strict=True):
            out.copy_(_gradient(block, outer, *ctx.constants))
        return result, None, None, None, None


def _normalise(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    a = _wide(x)
    return (a * _power(_energy(a, size, alpha, k), beta)).to(x.dtype)


def _gradient(x: Tensor, outer: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """g_i / d_i^beta - 2 alpha beta a_i sum_j g_j a_j / d_j^(beta+1), d the bracket above, g the outer gradient."""
    a = _wide(x)
    d = _energy(a, size, alpha, k)
    direct = _wide(outer) * _power(d, beta)
    return torch.addcmul(direct, a, _window_sum(direct * a / d, size), value=-2 * alpha * beta)


def _energy(a: Tensor, size: int, alpha: float, k: float) -> Tensor:
    return _window_sum(a.square(), size).mul_(alpha).add_(k)


def _window_sum(x: Tensor, size: int) -> Tensor:
    """The sum over the `size` channels around each one."""
    total = x.clone()
    for distance in range(1, size // 2 + 1):
        total[:, distance:] += x[:, :-distance]
        total[:, :-distance] += x[:, distance:]
    return total


def _power(d: Tensor, beta: float) -> Tensor:
    """d ** -beta; by roots for the papers' 0.75, which every processor has."""
    if beta != 0.75:
        return d.pow(-beta)
    root = d.rsqrt()
    return root * root.sqrt()


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    """Groups of images small enough for the cache of a CPU; other devices take all at once."""
    if x.device.type != "cpu" or x.numel() == 0:
        return (x,)
    return x.split(max(1, BLOCK // x[0].numel()))
