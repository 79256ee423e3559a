"""What every network of the registry does, whoever wrote it: learn, repeat itself, judge alone, be exported."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import models, scales
from course_lib.models.googlenet import Outputs, heads_loss

DEEP = 200  # layers: what is deeper takes seconds a step, and the shallower networks of its paper are tried
CLASSES = 10
SIDE = 32
WIDTH = scales.SCALES["smoke"].width
LEARNABLE = [name for name in models.names() if models.card(name).depth <= DEEP]


def build(name: str, seed: int = 0) -> nn.Module:
    """The network at smoke scale, the same at every call."""
    torch.manual_seed(seed)
    return models.build(name, num_classes=CLASSES, image_size=SIDE, width=WIDTH)


def images(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=dtype)


def tensors(outputs: Tensor | Outputs) -> tuple[Tensor, ...]:
    """The logits, and those of the auxiliary heads where there are any."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


# ---- Shape ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARNABLE)
def test_default_is_the_papers_data_and_gives_one_logit_a_class(name: str) -> None:
    classes = inspect.signature(models.card(name).factory).parameters["num_classes"].default
    side = {1000: 224, 10: 32}[classes]  # ImageNet, CIFAR-10
    with torch.device("meta"):
        assert models.build(name).eval()(torch.empty(2, 3, side, side)).shape == (2, classes)


# ---- Learning ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", models.names())
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    network, x, y = build(name), images(4), torch.arange(4)
    waiting = dict(network.named_parameters())
    for _ in range(10):  # stochastic depth leaves blocks out of a pass, and out of its gradient
        network.zero_grad()
        heads_loss(network(x), y).backward()
        waiting = {key: p for key, p in waiting.items() if p.grad is None or not p.grad.any()}
        if not waiting:
            break
    assert not waiting


@pytest.mark.parametrize("name", LEARNABLE)
def test_ten_batches_lower_the_loss(name: str) -> None:
    network = build(name)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # its noise is larger than what ten steps change
    generator = torch.Generator().manual_seed(2)
    y = torch.arange(3)
    x = F.interpolate(torch.randn(3, 3, 4, 4, generator=generator), size=SIDE)  # one coarse pattern a class
    optimizer = torch.optim.Adam(network.parameters(), lr=0.002)
    losses = []
    for _ in range(10):
        loss = heads_loss(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.98 * sum(losses[:3])


# ---- Repeating -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", models.names())
def test_a_seed_fixes_the_weights_and_what_chance_does_in_training(name: str) -> None:
    first, second, x = build(name), build(name), images(2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    outputs = []
    for network in (first, second):
        torch.manual_seed(3)
        outputs.append(tensors(network(x)))
    assert all(torch.equal(a, b) for a, b in zip(*outputs, strict=True))


@pytest.mark.parametrize("name", LEARNABLE)
def test_another_seed_gives_other_weights_in_every_layer(name: str) -> None:
    pairs = zip(build(name).parameters(), build(name, seed=1).parameters(), strict=True)
    assert not any(torch.equal(a, b) for a, b in pairs if a.dim() > 1)


# ---- Judging alone -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", models.names())
def test_a_picture_is_judged_alone_whatever_the_batch_and_the_memory_format(name: str) -> None:
    network, x = build(name).double(), images(3, torch.double)
    with torch.no_grad():
        network(x)  # batch normalisation has statistics that are not its first ones
        network.eval()
        together = network(x)
        assert together.std(0).max() > 0  # different pictures, different logits
        scale = together.abs().max().item()
        alone = torch.cat([network(one) for one in x.split(1)])
        torch.testing.assert_close(alone, together, rtol=0, atol=1e-10 * scale)
        network.to(memory_format=torch.channels_last)
        last = network(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(last, together, rtol=0, atol=1e-10 * scale)


# ---- Leaving Python ------------------------------------------------------------------------------------------------


def shallowest_of_each_kind() -> list[str]:
    """One network for each paper and set of modules: a deeper one repeats code that the compiler has read."""
    best: dict[tuple[str, frozenset[type[nn.Module]]], tuple[int, str]] = {}
    for name in LEARNABLE:
        with torch.device("meta"):
            modules = list(build(name).modules())
        kind = models.card(name).paper.title, frozenset(map(type, modules))
        best[kind] = min(best.get(kind, (len(modules), name)), (len(modules), name))
    return [name for _, name in best.values()]


TRACED = shallowest_of_each_kind()


@cache
def exported(name: str) -> torch.export.ExportedProgram:
    return torch.export.export(build(name).eval(), (images(2),), dynamic_shapes=({0: torch.export.Dim("batch")},))


@pytest.mark.parametrize("name", TRACED)
def test_exports_with_a_free_batch_size(name: str) -> None:
    torch.testing.assert_close(exported(name).module()(images(5)), build(name).eval()(images(5)))


@pytest.mark.parametrize("name", [name for name in TRACED if models.card(name).depth < 60])
def test_exports_to_onnx_with_a_free_batch_size(name: str) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    program = torch.onnx.export(exported(name), dynamo=True, optimize=False, verbose=False)
    torch.testing.assert_close(program(images(5))[0], build(name).eval()(images(5)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in TRACED if models.card(name).depth < 120])
def test_compiles_for_training_without_a_break(name: str) -> None:
    network, x, y = build(name), images(4), torch.arange(4)
    torch.compiler.reset()
    # Neither generates code. "aot_eager" also traces the gradient, which takes half a minute where blocks are many.
    backend = "aot_eager" if models.card(name).depth < 22 else "eager"
    compiled: Callable[[Tensor], Tensor | Outputs] = torch.compile(network, backend=backend, fullgraph=True)
    heads_loss(compiled(x), y).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())
