"""What a network costs, layer by layer: parameters, multiply-adds, activations, milliseconds.

Nothing is counted by hand. PyTorch's own counter (`torch.utils.flop_counter`) watches one forward pass, and each module
is charged what it added to the count beyond its children, so that the layers always sum to the total, in any network.

Notable: multiply-adds are those of convolutions and matrix products, as papers count them; a pooling or an activation
has none, but it has milliseconds.
"""

from __future__ import annotations

import html
import math
import statistics
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.errors import CourseError

QUANTITIES = ("parameters", "multiply_adds", "activations", "milliseconds")
WARM_UP = 2  # passes before timing: the first ones choose algorithms and fill caches
REPEATS = 7  # timed passes, of which the median counts


@dataclass(frozen=True)
class Layer:
    """One row of a profile, for one forward pass of the whole batch.

    output_shape: with the batch, (N, C, H, W); empty where the pass did not reach the layer.
    parameters: of this layer alone, those shared with an earlier layer not counted again.
    activations: numbers in its output. milliseconds: None where the pass was not timed.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    activations: int
    milliseconds: float | None = None


@dataclass(frozen=True)
class Profile:
    """The layers of a network in the order in which they ran, and their totals. Shows itself as a table."""

    network: str
    input_shape: tuple[int, ...]
    device: str
    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activations(self) -> int:
        return sum(layer.activations for layer in self.layers)

    @property
    def milliseconds(self) -> float | None:
        times = [layer.milliseconds for layer in self.layers if layer.milliseconds is not None]
        return sum(times) if times else None

    def shares(self, by: str = "parameters") -> dict[str, float]:
        """Each layer's share of the total of `by`, by name, summing to 1 (or all 0 where there is nothing to share).

        Raises CourseError where `by` is none of parameters, multiply_adds, activations, milliseconds, or not measured.
        """
        if by not in QUANTITIES:
            raise CourseError(f"A profile has no {by!r}. It has: {', '.join(QUANTITIES)}.")
        if by == "milliseconds" and self.milliseconds is None:
            raise CourseError("This profile was not timed. Make it with profile(network, ..., time=True).")
        total = getattr(self, by) or 1
        return {layer.name: (getattr(layer, by) or 0) / total for layer in self.layers}

    @property
    def stages(self) -> Profile:
        """The same profile with one row for each part of the network: `features` and `classifier`, say.

        `profile.stages.shares("multiply_adds")` says where most of the computation is.
        """
        groups: dict[str, list[Layer]] = {}
        for layer in self.layers:
            groups.setdefault(layer.name.partition(".")[0], []).append(layer)
        return replace(self, layers=tuple(_stage(name, layers) for name, layers in groups.items()))

    def __repr__(self) -> str:
        rows = [self._heads(), *(self._cells(layer) for layer in self.layers), self._cells(self._total())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([self._caption(), rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def _repr_html_(self) -> str:
        shares = [self.shares(quantity) for quantity in self._quantities()]

        def row(layer: Layer, tag: str = "td") -> str:
            texts = self._cells(layer)
            cells = [f'<{tag} style="text-align:left">{html.escape(text)}</{tag}>' for text in texts[:3]]
            cells += [
                f'<{tag} style="text-align:right">{text}{_bar(share.get(layer.name, 0.0))}</{tag}>'
                for text, share in zip(texts[3:], shares, strict=True)
            ]
            return f"<tr>{''.join(cells)}</tr>"

        heads = "".join(
            f'<th scope="col" style="text-align:{"left" if i < 3 else "right"}">{head}</th>'
            for i, head in enumerate(self._heads())
        )
        return (
            f"<table><caption>{html.escape(self._caption())}</caption><thead><tr>{heads}</tr></thead>"
            f"<tbody>{''.join(map(row, self.layers))}</tbody><tfoot>{row(self._total(), 'th')}</tfoot></table>"
        )

    def _quantities(self) -> tuple[str, ...]:
        return QUANTITIES if self.milliseconds is not None else QUANTITIES[:-1]

    def _heads(self) -> list[str]:
        return ["layer", "kind", "output", *(quantity.replace("_", "-") for quantity in self._quantities())]

    def _cells(self, layer: Layer) -> list[str]:
        cells = [layer.name, layer.kind, " × ".join(map(str, layer.output_shape)) or "not run"]
        cells += [f"{getattr(layer, quantity):,}" for quantity in QUANTITIES[:-1]]
        if self.milliseconds is not None:
            cells.append(f"{layer.milliseconds or 0:.3f}")
        return cells

    def _total(self) -> Layer:
        return _stage("total", self.layers)

    def _caption(self) -> str:
        shape = " × ".join(map(str, self.input_shape))
        return f"{self.network}, one forward pass of {shape} on {self.device}"


def profile(
    network: nn.Module, image_size: int | tuple[int, ...] = 224, *, batch_size: int = 1, time: bool = False
) -> Profile:
    """Run `network` once in evaluation mode and say what each layer cost.

    image_size: side in pixels of RGB images, (H, W), or the shape of one input without its batch, (C, H, W).
    time: measure each layer too, in milliseconds a batch on the network's device: medians of several passes.
    Leaves the network as it was: modes, gradients, buffers, hooks; and the random numbers to come.
    Raises CourseError, naming the layer, where the network cannot take such an input.
    """
    x = _example(network, image_size, batch_size)
    with _undisturbed(network):
        with FlopCounterMode(display=False) as counter:
            run = _Run(network, counter.get_total_flops, x)
        timed: list[_Run] = []
        if time:
            stopwatch = _stopwatch(x.device)
            timed = [_Run(network, stopwatch, x) for _ in range(WARM_UP + REPEATS)][WARM_UP:]
    layers = tuple(_layers(network, run, timed))
    return Profile(type(network).__name__, tuple(x.shape), str(x.device), layers)


def count_parameters(network: nn.Module) -> int:
    """Parameters of `network`, shared ones once, frozen ones too. Buffers are not parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, image_size: int | tuple[int, ...] = 224) -> int:
    """Multiply-adds of a forward pass of one image: half of what PyTorch's counter calls flops.

    image_size and errors are those of `profile`.
    """
    return profile(network, image_size).multiply_adds


def latency(
    network: nn.Module, image_size: int | tuple[int, ...] = 224, *, batch_size: int = 1, repeats: int = REPEATS
) -> float:
    """Milliseconds that a forward pass of one batch takes on the network's device: the median of `repeats`.

    In evaluation mode, without gradients; leaves the network as it was. image_size and errors are those of `profile`.
    """
    x = _example(network, image_size, batch_size)
    with _undisturbed(network):
        stopwatch = _stopwatch(x.device)
        _Run(network, stopwatch, x)  # warms up, and names the layer where the input does not fit
        times = []
        for _ in range(repeats):
            start = stopwatch()
            network(x)
            times.append(stopwatch() - start)
        return statistics.median(times)


class _Run:
    """One forward pass in which each module is charged what `meter` gained in it beyond what its children were charged.

    Modules are kept in the order in which they started. One that runs twice has both charges and both outputs.
    """

    def __init__(self, network: nn.Module, meter: Callable[[], float], x: Tensor) -> None:
        self.charges: dict[nn.Module, float] = {}
        self.outputs: dict[nn.Module, list[tuple[int, ...]]] = {}
        self._meter = meter
        self._open: list[tuple[nn.Module, tuple[Any, ...], float]] = []
        self._paid: list[float] = [0]  # by the children of each open module
        hooks = [
            hook
            for module in network.modules()
            for hook in (module.register_forward_pre_hook(self._enter), module.register_forward_hook(self._leave))
        ]
        try:
            network(x)
        except Exception as error:
            raise self._misfit(network, x, error) from error
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.charges.setdefault(module, 0)
        self._paid.append(0)
        self._open.append((module, inputs, self._meter()))

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        gained = self._meter() - self._open.pop()[2]
        self.charges[module] += gained - self._paid.pop()
        self._paid[-1] += gained
        self.outputs.setdefault(module, []).extend(tuple(tensor.shape) for tensor in _tensors(output))

    def _misfit(self, network: nn.Module, x: Tensor, error: Exception) -> CourseError:
        module, inputs = self._open[-1][:2] if self._open else (network, (x,))
        name = next(name for name, candidate in network.named_modules() if candidate is module)
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in _tensors(inputs))
        reason = str(error).strip().partition("\n")[0]
        return CourseError(
            f"{type(network).__name__} cannot take an input of shape {tuple(x.shape)}: "
            f"layer {name or type(network).__name__!r} ({module}) got {shapes} and failed: {reason}. "
            "Choose the image_size that the network was built for."
        )


def _layers(network: nn.Module, run: _Run, timed: list[_Run]) -> Iterator[Layer]:
    """A row for each module without children, and for each other that computes or holds parameters of its own."""
    names = {module: name for name, module in network.named_modules()}
    counted: set[nn.Parameter] = set()
    for module in [*run.charges, *(module for module in names if module not in run.charges)]:
        own = set(module.parameters(recurse=False)) - counted
        counted |= own
        is_leaf = not any(module.children())
        charge, outputs = int(run.charges.get(module, 0)), run.outputs.get(module, [])
        if not (own or charge or (is_leaf and module in run.charges)):
            continue
        yield Layer(
            name=names[module] or type(network).__name__,
            kind=type(module).__name__,
            output_shape=outputs[-1] if outputs else (),
            parameters=sum(parameter.numel() for parameter in own),
            multiply_adds=charge // 2,
            # A container's output is its last layer's, unless it computes: then what it returns is new.
            activations=sum(map(math.prod, outputs)) if is_leaf or charge else 0,
            milliseconds=statistics.median(t.charges.get(module, 0.0) for t in timed) if timed else None,
        )


def _stage(name: str, layers: Sequence[Layer]) -> Layer:
    """`layers` as one row."""
    if len(layers) == 1:
        return replace(layers[0], name=name)
    times = [layer.milliseconds for layer in layers if layer.milliseconds is not None]
    return Layer(
        name=name,
        kind=f"{len(layers)} layers",
        output_shape=next((layer.output_shape for layer in reversed(layers) if layer.output_shape), ()),
        parameters=sum(layer.parameters for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        activations=sum(layer.activations for layer in layers),
        milliseconds=sum(times) if times else None,
    )


def _example(network: nn.Module, image_size: int | tuple[int, ...], batch_size: int) -> Tensor:
    """A batch of noise of the network's device and type of number. It draws nothing from PyTorch's own generator."""
    sizes = (image_size,) * 2 if isinstance(image_size, int) else tuple(image_size)
    shape = (batch_size, 3, *sizes) if len(sizes) == 2 else (batch_size, *sizes)
    if min(shape) < 1:
        raise CourseError(f"There is no input of shape {shape}: image_size and batch_size must be at least 1.")
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    weight = next((p for p in network.parameters() if p.is_floating_point()), noise)
    return noise.to(weight.device, weight.dtype)


@contextmanager
def _undisturbed(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards modes, buffers and random numbers are what they were."""
    modes = {module: module.training for module in network.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = {p.device for p in network.parameters() if p.device.type == "cuda"}
    with torch.no_grad(), torch.random.fork_rng(devices):
        network.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
            for buffer, before in buffers:
                buffer.copy_(before)


def _stopwatch(device: torch.device) -> Callable[[], float]:
    """A clock in milliseconds that waits for `device` to finish what it was given."""

    def read() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        return clock.perf_counter() * 1e3

    return read


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in what a module takes or returns, nested as it likes."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _bar(share: float) -> str:
    """A share as a bar under its number, in the text's own colour: it suits light and dark themes."""
    style = f"height:3px;width:{share:.1%};margin-left:auto;background:currentColor;opacity:0.45"
    return f'<div style="{style}"></div>'
