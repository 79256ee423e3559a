"""What a drawing of a network shows: its layers as blocks, with their sizes and their shares of the cost.

Computed from a profile and, for kernels, strides and groups, from the modules. Nothing here draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from torch import nn

from course_lib.errors import CourseError

if TYPE_CHECKING:
    from course_lib.profiling import Layer, Profile

# Networks with more convolutions and linear layers than this are drawn by stages, as on the slides.
LAYERS_UP_TO = 20
MAIN = ("conv", "linear")


@dataclass(frozen=True)
class Block:
    """A box of the drawing.

    kind: "input", "conv", "linear", "pool", "norm" or "dropout". lines: its label, line by line.
    size: (height, width) of its output in pixels, (1, 1) for a linear layer. channels: of its output.
    parameters, multiply_adds: its share of the network's, from 0 to 1; a layer that is not drawn (batch norm) counts
    with the block before it. layers: how many convolutions and linear layers it stands for. reads: channels of its
    input, 0 where unknown.
    """

    name: str
    kind: str
    lines: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    groups: int = 1
    parameters: float = 0.0
    multiply_adds: float = 0.0
    layers: int = 1
    reads: int = 0

    @property
    def is_main(self) -> bool:
        return self.kind in MAIN


def kind_of(layer: Layer) -> str:
    """One of "conv", "linear", "pool", "norm", "dropout", "other", by the name of the module's class."""
    name = layer.kind.lower()
    for part, kind in (
        ("conv", "conv"), ("linear", "linear"), ("pool", "pool"), ("localresponsenorm", "norm"), ("lrn", "norm"),
        ("dropout", "dropout"),
    ):  # fmt: skip
        if part in name:
            return kind
    return "other"


def blocks_of(profile: Profile, network: nn.Module | None) -> tuple[Block, ...]:
    """The blocks of a network in the order in which its layers ran, the input first.

    Raises CourseError for a network without convolutions or linear layers.
    """
    modules: Mapping[str, nn.Module] = dict(network.named_modules()) if network is not None else {}
    layers = [layer for layer in profile.layers if layer.output_shape]
    main = [layer for layer in layers if kind_of(layer) in MAIN]
    if not main:
        raise CourseError("There is nothing to draw: the network has neither a convolution nor a linear layer.")
    each = [_block(layer, modules.get(layer.name)) for layer in layers]
    each = each[:1] + [_or_nothing(block, before) for before, block in pairwise(each)]
    blocks = _charged(each, layers, profile)
    if len(main) > LAYERS_UP_TO:
        blocks = _by_stage(blocks)
    return (_input(profile), *blocks)


def _input(profile: Profile) -> Block:
    _, channels, height, width = (*profile.input_shape, 1, 1, 1)[:4]
    return Block("input", "input", ("input",), (height, width), channels)


def _block(layer: Layer, module: Any) -> Block:
    kind = kind_of(layer)
    shape = layer.output_shape
    if len(shape) == 4:
        channels, size = shape[1], (shape[2], shape[3])
    else:
        channels, size = shape[-1], (1, 1)
    reads: int = getattr(module, "in_channels", 0) or getattr(module, "in_features", 0)
    groups = getattr(module, "groups", 1)
    return Block(layer.name, kind, _lines(kind, layer, module), size, channels, groups=groups, reads=reads)


def _lines(kind: str, layer: Layer, module: nn.Module | None) -> tuple[str, ...]:
    if kind == "conv":
        return ("conv", *_kernel(module))
    if kind == "pool":
        which = "max pool" if "max" in layer.kind.lower() else "mean pool"
        kernel = " ".join(_kernel(module))
        return (which, kernel) if kernel else (which,)
    return ({"norm": "LRN"}.get(kind, kind),)


def _kernel(module: Any) -> tuple[str, ...]:
    """Kernel and, where it is not 1, stride: ("11×11", "/4")."""
    size = getattr(module, "kernel_size", None)
    if size is None:
        return ()
    height, width = _pair(size)
    stride = _pair(getattr(module, "stride", 1))
    steps = () if stride == (1, 1) else (f"/{stride[0]}" if stride[0] == stride[1] else f"/{stride[0]}×{stride[1]}",)
    return (f"{height}×{width}", *steps)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _or_nothing(block: Block, before: Block) -> Block:
    """`block`, marked as not worth drawing where it is an adaptive pooling whose input had the right size already."""
    idle = block.lines == ("mean pool",) and block.size == before.size
    return replace(block, kind="other") if idle else block


def _charged(blocks: list[Block], layers: Iterable[Layer], profile: Profile) -> list[Block]:
    """The blocks worth drawing, with their shares; what is not drawn counts with the main block before it."""
    parameters, multiply_adds = profile.shares("parameters"), profile.shares("multiply_adds")
    drawn: list[Block] = []
    owner, waiting = None, [0.0, 0.0]
    for block, layer in zip(blocks, layers, strict=True):
        cost = (parameters[layer.name], multiply_adds[layer.name])
        if block.kind != "other":
            drawn.append(block)
        if block.is_main:
            owner = len(drawn) - 1
            cost, waiting = (cost[0] + waiting[0], cost[1] + waiting[1]), [0.0, 0.0]
        if owner is None:
            waiting = [waiting[0] + cost[0], waiting[1] + cost[1]]
            continue
        old = drawn[owner]
        drawn[owner] = replace(old, parameters=old.parameters + cost[0], multiply_adds=old.multiply_adds + cost[1])
    return drawn


def _by_stage(blocks: list[Block]) -> list[Block]:
    """Runs of layers as one block each: by the network's own parts where it names 4 to 20, else by size of output."""
    named = _runs(blocks, lambda block: block.name.partition(".")[0])
    sized = _runs([block for block in blocks if block.is_main], lambda block: f"{block.kind} {block.size}")
    parts = sum(any(block.is_main for block in run) for run in named)
    runs = named if 4 <= parts <= LAYERS_UP_TO else sized
    titles = [run[0].name.partition(".")[0] if runs is named else "" for run in runs]
    return [_stage(run, title, runs[index + 1 :]) for index, (run, title) in enumerate(zip(runs, titles, strict=True))]


def _runs(blocks: Iterable[Block], key: Any) -> list[list[Block]]:
    runs: list[list[Block]] = []
    for block in blocks:
        if runs and key(runs[-1][-1]) == key(block):
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs


def _stage(run: list[Block], title: str, following: list[list[Block]]) -> Block:
    main = [block for block in run if block.is_main]
    if len(main) <= 1:
        only = main[0] if main else run[0]
        return replace(only, parameters=sum(b.parameters for b in run), multiply_adds=sum(b.multiply_adds for b in run))
    convolutions = sum(block.kind == "conv" for block in main)
    counted = f"{convolutions} conv" if convolutions else f"{len(main)} linear"
    last = main[-1]
    return Block(
        name=title,
        kind="conv" if convolutions else "linear",
        lines=tuple(line for line in (title, counted) if line),
        size=last.size,
        channels=_read_next(following, last.size) or last.channels,
        parameters=sum(block.parameters for block in run),
        multiply_adds=sum(block.multiply_adds for block in run),
        layers=len(main),
    )


def _read_next(following: list[list[Block]], size: tuple[int, int]) -> int:
    """The channels that the next layer reads: a part of parallel branches puts out more than its last layer does."""
    for block in (block for run in following for block in run):
        if block.kind == "pool":
            size = block.size
        if block.is_main:
            area = size[0] * size[1]
            return block.reads // area if block.kind == "linear" and block.reads % area == 0 else block.reads
    return 0


@dataclass(frozen=True)
class Claim:
    """A group of blocks and what most of it there is: ("computation", 0.92) for the convolutions of AlexNet."""

    kind: str
    first: int
    last: int
    most_of: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        said = [f"of the {what}: {_percent(share)}" for what, share in self.most_of]
        return "most " + ", and ".join(said) if said else ""


def claims_of(blocks: tuple[Block, ...]) -> tuple[Claim, ...]:
    """Which of the two groups, convolutions or linear layers, has most of the parameters and most of the multiply-adds.

    "Most" is more than half, measured. Nothing is claimed of a network that has one of the two kinds only.
    """
    claims = []
    for kind in MAIN:
        members = [index for index, block in enumerate(blocks) if block.kind == kind]
        if not members or len(members) == sum(block.is_main for block in blocks):
            continue
        shares = (
            ("computation", sum(blocks[index].multiply_adds for index in members)),
            ("parameters", sum(blocks[index].parameters for index in members)),
        )
        most_of = tuple((what, share) for what, share in shares if share > 0.5)
        if most_of:
            claims.append(Claim(kind, members[0], members[-1], most_of))
    return tuple(claims)


def _percent(share: float) -> str:
    """A share as text: 92 %, 99.7 %; never 100 % for what is less."""
    percent = 100 * share
    if percent > 99.95 and share < 1:
        return "> 99.9 %"
    return f"{percent:.1f} %" if percent > 99 and share < 1 else f"{percent:.0f} %"
