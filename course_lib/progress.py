"""One line that says how far a training run is."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

from torch import Tensor


class Progress:
    """A bar over all steps of a run, with the running loss and error twice a second.

    check: called with the summed loss at each look, to stop a run that has gone wrong before its epoch is over.
    """

    def __init__(self, name: str, epochs: int, steps: int, *, done: int, shown: bool, check: Callable[[float], None]):
        with warnings.catch_warnings():
            # Without widgets tqdm draws the bar as text; that is no reason to warn.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm

        self.name, self.epochs, self.check, self.looked = name, epochs, check, time.monotonic()
        self.bar = tqdm(
            desc=name,
            total=epochs * steps,
            initial=done * steps,
            unit="step",
            leave=False,
            mininterval=0.5,
            disable=not shown,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def step(self, epoch: int, totals: Tensor) -> None:
        """One batch more; totals (3,): summed loss, wrong answers, images. Looks at them only now and then: each look
        waits for the device."""
        self.bar.update()
        if time.monotonic() - self.looked < 0.5:
            return
        loss, wrong, count = totals.tolist()
        if count:
            self.check(loss)
            self.bar.set_description(f"{self.name}, epoch {epoch + 1} of {self.epochs}", False)
            self.bar.set_postfix_str(f"loss {loss / count:.3f}, error {100 * wrong / count:.1f} %", False)
        self.looked = time.monotonic()
