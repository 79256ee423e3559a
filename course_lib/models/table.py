"""The table of every network: what it costs, counted, beside what its paper reports.

Notable: networks are built on PyTorch's meta device, which knows shapes and holds no numbers, so that all of them are
counted in seconds. Counts are of the network in evaluation: GoogLeNet's are without its auxiliary heads.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.models.card import Card
from course_lib.models.registry import card, names

HEADINGS = ("network", "year", "pixels", "parameters", "multiply-adds", "depth", "paper's error", "paper")
NUMBERS = HEADINGS[1:6]  # aligned to the right


@dataclass(frozen=True)
class Entry:
    """A network as its paper has it.

    year: of publication. image_size: side of the images in pixels. multiply_adds: of one image, in convolutions and
    matrix products. depth, error: as the paper gives them; error None where it gives none. paper: in few words, as
    "He et al., CVPR 2016". citation: in full. url: of the paper.
    """

    name: str
    year: int
    image_size: int
    parameters: int
    multiply_adds: int
    depth: int
    error: str | None
    paper: str
    citation: str
    url: str

    def cells(self) -> tuple[str, ...]:
        """The entry as text, in the order of `HEADINGS`."""
        counts = f"{self.parameters:,}", f"{self.multiply_adds:,}"
        return (
            self.name,
            str(self.year),
            str(self.image_size),
            *counts,
            str(self.depth),
            self.error or "",
            self.paper,
        )


@dataclass(frozen=True)
class Table:
    """Networks in the order of the lectures. Shows itself as text and in notebooks."""

    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def rows(self) -> list[dict[str, Any]]:
        """The entries as dictionaries, for `pandas.DataFrame(models.table().rows())` and the like."""
        return [asdict(entry) for entry in self.entries]

    def __repr__(self) -> str:
        lines = [HEADINGS, *(entry.cells() for entry in self.entries)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if heading in NUMBERS else cell.ljust(width)
                for cell, width, heading in zip(line, widths, HEADINGS, strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        def align(heading: str) -> str:
            return f'style="text-align:{"right" if heading in NUMBERS else "left"}"'

        def row(entry: Entry) -> str:
            *texts, paper = map(escape, entry.cells())
            cells = [*texts, f'<a href="{escape(entry.url)}" title="{escape(entry.citation)}">{paper}</a>']
            return "".join(f"<td {align(h)}>{cell}</td>" for h, cell in zip(HEADINGS, cells, strict=True))

        heads = "".join(f'<th scope="col" {align(heading)}>{escape(heading)}</th>' for heading in HEADINGS)
        body = "".join(f"<tr>{row(entry)}</tr>" for entry in self.entries)
        caption = "Networks as their papers have them, counted in evaluation for one image."
        return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def table(*chosen: str) -> Table:
    """The networks called `chosen`, or all of them: name, year, parameters, multiply-adds, depth, error and citation.

    Raises CourseError for an unknown name.
    """
    return Table(tuple(_entry(card(name)) for name in chosen or names()))


def _entry(card: Card) -> Entry:
    parameters, multiply_adds = _cost(card.name)
    paper = card.paper
    return Entry(
        name=card.name,
        year=paper.year,
        image_size=card.image_size,
        parameters=parameters,
        multiply_adds=multiply_adds,
        depth=card.depth,
        error=card.error,
        paper=paper.short,
        citation=str(paper).removesuffix(f" {paper.url}"),
        url=paper.url,
    )


@functools.cache
def _cost(name: str) -> tuple[int, int]:
    """Parameters that evaluation uses, and its multiply-adds for one image."""
    entry = card(name)
    used: set[nn.Parameter] = set()
    with torch.device("meta"), torch.no_grad():
        network = entry.factory().eval()
        for module in network.modules():
            module.register_forward_hook(lambda module, *_: used.update(module.parameters(recurse=False)))
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, entry.image_size, entry.image_size))
    return sum(parameter.numel() for parameter in used), counter.get_total_flops() // 2
