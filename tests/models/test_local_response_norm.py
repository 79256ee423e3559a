"""Local response normalisation is the paper's formula, and its hand-written gradient is its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.models import local_response_norm
from course_lib.models.local_response_norm import LocalResponseNorm


def formula(a: Tensor, n: int, alpha: float, beta: float, k: float) -> Tensor:
    """Section 3.3, channel by channel."""
    channels = a.shape[1]
    out = torch.empty_like(a)
    for i in range(channels):
        first, last = max(0, i - n // 2), min(channels - 1, i + n // 2)
        out[:, i] = a[:, i] / (k + alpha * (a[:, first : last + 1] ** 2).sum(1)) ** beta
    return out


sizes = st.sampled_from([1, 3, 5, 7])
betas = st.sampled_from([0.5, 0.75, 1.0])


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 12), size=sizes, beta=betas, alpha=st.floats(1e-4, 1.0), k=st.floats(0.5, 3.0))
def test_computes_the_papers_formula_and_pytorchs(
    channels: int, size: int, beta: float, alpha: float, k: float
) -> None:
    x = 50 * torch.randn(2, channels, 3, 2, dtype=torch.double)
    ours = LocalResponseNorm(size, alpha, beta, k)(x)
    torch.testing.assert_close(ours, formula(x, size, alpha, beta, k))
    torch.testing.assert_close(ours, F.local_response_norm(x, size, alpha * size, beta, k))


def test_alexnets_constants_are_the_default() -> None:
    x = 50 * torch.randn(2, 9, 4, 4, dtype=torch.double)
    torch.testing.assert_close(LocalResponseNorm()(x), formula(x, n=5, alpha=1e-4, beta=0.75, k=2.0))


@settings(max_examples=10, deadline=None)
@given(channels=st.integers(1, 7), size=sizes, beta=betas)
def test_gradient_is_the_formulas(channels: int, size: int, beta: float) -> None:
    norm = LocalResponseNorm(size, alpha=0.1, beta=beta, k=1.5)
    x = torch.randn(2, channels, 2, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(norm, (3 * x,))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_blocks_join_to_the_whole_batch_and_keep_its_memory_format(
    memory_format: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = (50 * torch.randn(7, 8, 5, 5)).to(memory_format=memory_format).requires_grad_()
    gradient = torch.randn(7, 8, 5, 5)
    whole = LocalResponseNorm()(x)
    (whole_gradient,) = torch.autograd.grad(whole, x, gradient)
    for images in (1, 3, 100):
        monkeypatch.setattr(local_response_norm, "BLOCK", images * 8 * 5 * 5)
        y = LocalResponseNorm()(x)
        assert y.is_contiguous(memory_format=memory_format)
        torch.testing.assert_close(y, whole)
        torch.testing.assert_close(torch.autograd.grad(y, x, gradient)[0], whole_gradient)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_types_lose_no_more_than_one_rounding(dtype: torch.dtype) -> None:
    x = (50 * torch.randn(2, 8, 4, 4)).to(dtype).requires_grad_()
    y = LocalResponseNorm()(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    torch.testing.assert_close(y.detach(), formula(x.detach().float(), 5, 1e-4, 0.75, 2.0).to(dtype))


def test_takes_an_empty_batch() -> None:
    assert LocalResponseNorm()(torch.empty(0, 8, 3, 3)).shape == (0, 8, 3, 3)


def test_an_even_window_is_refused() -> None:
    with pytest.raises(CourseError, match="size=4"):
        LocalResponseNorm(4)


def test_exported_graph_computes_the_same() -> None:
    x = 50 * torch.randn(3, 8, 4, 4)
    network = nn.Sequential(LocalResponseNorm(), nn.ReLU())
    exported = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.testing.assert_close(exported.module()(x[:2]), network(x[:2]))
