"""A lesson of three exercises, put in the place of lesson 02's, for tests of the engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from course_lib.exercises import Case, Exercise, Mistake, checking, registry


def top_k_error(logits: Tensor, labels: Tensor, k: int = 5) -> float:
    return 1 - (logits.topk(k).indices == labels[:, None]).any(1).double().mean().item()


def _top_k_cases(generator: torch.Generator) -> Iterator[Case]:
    for count, classes, k in ((4, 10, 1), (8, 10, 5), (50, 7, 3), (9, 30, 5)):
        labels = torch.randint(classes, (count,), generator=generator)
        yield Case.call(torch.randn(count, classes, generator=generator), labels, k=k)


class Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int = 4):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.bn1(self.conv1(x)).relu())


def _block_cases(generator: torch.Generator) -> Iterator[Case]:
    for channels in (2, 3):
        yield Case.module(torch.randn(2, channels, 6, 6, generator=generator), in_channels=channels)


def spread(x: Tensor) -> Tensor:
    return x - x.mean(dim=1, keepdim=True)


def _spread_cases(generator: torch.Generator) -> Iterator[Case]:
    for shape in ((2, 5), (5, 5), (7, 3)):
        yield Case.call(torch.randn(shape, generator=generator))


EXERCISES = (
    Exercise(
        name="alexnet.top_k_error",
        title="Top-k error",
        points=5,
        hints=("First `topk`.", "Then <compare>.", "Last, the mean."),
        answer="top_k_error",
        reference=top_k_error,
        cases=_top_k_cases,
        mistakes=(Mistake(lambda logits, labels, k: 1 - top_k_error(logits, labels, k), "This is the accuracy."),),
    ),
    Exercise("alexnet.block", "The block", 8, ("Look at figure 2.",), "Block", Block, _block_cases),
    Exercise("alexnet.spread", "Spread", 7, ("`keepdim`",), "spread", spread, _spread_cases),
)


def put_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these the exercises of lesson 02_alexnet, the only lesson, none of them checked yet."""
    module = ModuleType("course_lib.exercises.alexnet")
    module.EXERCISES = EXERCISES  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "TOPICS", {"02_alexnet": "alexnet"})
    monkeypatch.setattr(checking, "_latest", {})
