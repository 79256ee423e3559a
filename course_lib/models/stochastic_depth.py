"""Stochastic depth (Huang et al. 2016): in training, leave out residual blocks at random.

Two conventions, whose expectations agree: what training gives on average is what testing computes.

- "paper": each block is left out of a whole mini-batch, and not computed then, which is the time saved. Training does
  not rescale; testing multiplies the residual by its survival rate p (equation 5).
- "torchvision", as `torchvision.ops.StochasticDepth(1 - p, "row")`: the residual is left out per image, divided by p
  where it stays, and testing is the network without any of this. All of it is computed.

Notable: it helps on CIFAR; on ImageNet the paper itself found its ResNet-152 slightly worse with it.
Ours: shortcuts are the network's, option A's for `resnet110`; the authors' Torch code averages 2x2 pixels there. And a
block that is left out has no gradient, so PyTorch's optimisers leave it alone in that step; theirs applied momentum and
weight decay to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models.card import Card, Paper
from course_lib.models.cifar_resnet import resnet110
from course_lib.models.residual import ResidualBlock
from course_lib.models.resnet import ResNet

N = TypeVar("N", bound=nn.Module)

CONVENTIONS = ("paper", "torchvision")


@dataclass(frozen=True)
class Survival:
    """How often one block's residual is kept in training, and by which convention."""

    rate: float
    convention: str = "paper"

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise CourseError(f"A survival rate of {self.rate} is no probability. Use one between 0 and 1.")
        if self.convention not in CONVENTIONS:
            raise CourseError(f"There is no convention {self.convention!r}. Use one of: {', '.join(CONVENTIONS)}.")

    def add(self, shortcut: Tensor, residual: Callable[[Tensor], Tensor], x: Tensor, training: bool) -> Tensor:
        """shortcut + b * residual(x), of shape (N, ...): b is random in training and its average in testing."""
        if self.convention == "torchvision":
            branch = residual(x)
            return shortcut + (branch * self._per_image(branch) if training else branch)
        if not training:
            return shortcut + self.rate * residual(x)
        if torch.compiler.is_compiling():
            # A compiled graph has no way around the block: it computes it, and multiplies by b.
            return shortcut + residual(x) * (torch.rand((), device=x.device) < self.rate)
        # Drawn on the CPU, where the choice is made: a GPU need not be waited for.
        return shortcut + residual(x) if torch.rand((), device="cpu") < self.rate else shortcut

    def _per_image(self, branch: Tensor) -> Tensor:
        keep = branch.new_empty((len(branch),) + (1,) * (branch.dim() - 1)).bernoulli_(self.rate)
        return keep / self.rate if self.rate > 0 else keep


def linear_decay(blocks: int, last: float = 0.5) -> tuple[float, ...]:
    """Survival rates of blocks 1 to L: p_l = 1 - (l / L) * (1 - last), equation 4."""
    return tuple(1 - block / blocks * (1 - last) for block in range(1, blocks + 1))


def expected_depth(survival_rates: Sequence[float]) -> float:
    """Blocks that are trained on average in a step: (3L - 1) / 4 with linear decay to one half (section 3)."""
    return sum(survival_rates)


def residual_blocks(network: nn.Module) -> list[ResidualBlock]:
    """The blocks of `network` that have a shortcut, from input to output."""
    return [module for module in network.modules() if isinstance(module, ResidualBlock) and module.has_shortcut]


def survival_rates(network: nn.Module) -> tuple[float, ...]:
    """Each residual block's survival rate, from input to output; 1 where a block is always there."""
    return tuple(1.0 if block.survival is None else block.survival.rate for block in residual_blocks(network))


def stochastic_depth(network: N, survival: float | Sequence[float] = 0.5, *, convention: str = "paper") -> N:
    """Give the residual blocks of `network` survival rates, and return it: parameters and their names stay.

    survival: the last block's rate, to which the rates decay linearly; or one rate for each block. 1.0 undoes it.
    A rate of 0 deletes a block in the paper's convention, in testing too.
    Raises CourseError where there are no residual blocks, or not as many as rates, and for a wrong rate or convention.
    """
    blocks = residual_blocks(network)
    if not blocks:
        raise CourseError(f"{type(network).__name__} has no residual blocks to leave out. Use a residual network.")
    rates = linear_decay(len(blocks), survival) if isinstance(survival, int | float) else tuple(survival)
    if len(rates) != len(blocks):
        raise CourseError(
            f"There are {len(rates)} survival rates for {len(blocks)} residual blocks. Give one for each."
        )
    for block, one in zip(blocks, [Survival(rate, convention) for rate in rates], strict=True):
        block.survival = one if one.rate < 1 else None
    return network


def resnet110_stochastic_depth(
    num_classes: int = 10, *, survival: float | Sequence[float] = 0.5, convention: str = "paper", **options: Any
) -> ResNet:
    """`resnet110` with rates from 53.5 / 54 down to one half: 40.25 of its 54 blocks are trained on average."""
    return stochastic_depth(resnet110(num_classes, **options), survival, convention=convention)


HUANG_2016 = Paper(
    "Huang, Sun, Liu, Sedra and Weinberger",
    "Deep Networks with Stochastic Depth",
    "ECCV",
    2016,
    "https://arxiv.org/abs/1603.09382",
)

CARDS = (Card(resnet110_stochastic_depth, HUANG_2016, depth=110, error="5.23 %, CIFAR-10 test, augmented (table 1)"),)
