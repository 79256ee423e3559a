"""What a training run leaves behind: loss and error epoch by epoch, how long it took, and what it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images. Losses are mean cross-entropies in nats, errors fractions in [0, 1].

    train_loss and train_error are the running ones: measured on each batch as it was trained on, so with dropout and
    augmentation, and by a network that changed meanwhile. test_loss and test_error are measured after the epoch, with
    dropout off, on the pictures as they are; None without a test set. learning_rate is the epoch's last.
    seconds count training and testing.
    """

    epoch: int
    train_loss: float
    train_error: float
    test_loss: float | None
    test_error: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class History:
    """The epochs of one run, in order, and what was run. Shows itself in a notebook; `plot()` draws the curves.

    source and is_miniature are the training images' (`ImageSet.source`); scale is the scale's name.
    """

    name: str
    source: str
    is_miniature: bool
    scale: str
    seed: int
    epochs: tuple[Epoch, ...] = ()

    def __len__(self) -> int:
        return len(self.epochs)

    def with_epoch(self, epoch: Epoch) -> History:
        """This history, one epoch longer."""
        return replace(self, epochs=(*self.epochs, epoch))

    @property
    def train_loss(self) -> list[float]:
        """Running mean loss of each epoch, in nats."""
        return [epoch.train_loss for epoch in self.epochs]

    @property
    def train_error(self) -> list[float]:
        """Running error of each epoch, fraction in [0, 1]."""
        return [epoch.train_error for epoch in self.epochs]

    @property
    def test_loss(self) -> list[float | None]:
        """Test loss after each epoch, in nats."""
        return [epoch.test_loss for epoch in self.epochs]

    @property
    def test_error(self) -> list[float | None]:
        """Test error after each epoch, fraction in [0, 1]."""
        return [epoch.test_error for epoch in self.epochs]

    @property
    def learning_rate(self) -> list[float]:
        """Learning rate at the end of each epoch."""
        return [epoch.learning_rate for epoch in self.epochs]

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the test images after the last epoch, fraction in [0, 1]; never the best of several epochs."""
        error = self.epochs[-1].test_error if self.epochs else None
        return None if error is None else 1 - error

    @property
    def seconds(self) -> float:
        """Time spent training and testing, in seconds; runs that were continued count all their parts."""
        return sum(epoch.seconds for epoch in self.epochs)

    def epochs_to(self, train_error: float) -> int | None:
        """The first epoch, counted from 1, whose training error is at most `train_error`; None if none is.

        The measure of Krizhevsky et al. 2012, figure 1 (epochs to 25 % training error).
        """
        return next((epoch.epoch for epoch in self.epochs if epoch.train_error <= train_error), None)

    def plot(self, value: str = "error", ax: Axes | None = None) -> Axes:
        """Training and test error (or value="loss") over the epochs, as `plots.learning_curves`."""
        from course_lib import plots

        return plots.learning_curves(self, value, ax=ax)

    def __repr__(self) -> str:
        if not self.epochs:
            return f"{self._headline()}: no epoch finished"
        rows = [list(_COLUMNS)] + [[show(epoch) for show in _COLUMNS.values()] for epoch in self.epochs]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        table = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join([self._headline(), *table])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(title)}</th>' for title in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(show(epoch))}</td>" for show in _COLUMNS.values()) + "</tr>"
            for epoch in self.epochs
        )
        table = f"<table><caption>{escape(self._headline())}</caption><tr>{head}</tr>{body}</table>"
        # Ninety epochs must not push the next cell off the screen.
        return f'<div style="max-height: 22em; overflow: auto">{table}</div>'

    def _headline(self) -> str:
        source = f"{self.source} (drawn pictures, no photographs)" if self.is_miniature else self.source
        count = f"{len(self)} epoch{'' if len(self) == 1 else 's'} in {self.seconds:.1f} s"
        return f"{self.name} on {source}: {count}, scale {self.scale}, seed {self.seed}"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.1f} %"


_COLUMNS: dict[str, Callable[[Epoch], str]] = {
    "epoch": lambda epoch: str(epoch.epoch),
    "training loss": lambda epoch: f"{epoch.train_loss:.3f}",
    "training error": lambda epoch: _percent(epoch.train_error),
    "test loss": lambda epoch: "–" if epoch.test_loss is None else f"{epoch.test_loss:.3f}",
    "test error": lambda epoch: _percent(epoch.test_error),
    "learning rate": lambda epoch: f"{epoch.learning_rate:.2g}",
    "seconds": lambda epoch: f"{epoch.seconds:.1f}",
}
