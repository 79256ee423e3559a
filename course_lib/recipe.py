"""The settings of a training run that decide what it learns, and the schedules of the learning rate."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from torch import Tensor

from course_lib.data.batches import Augmentation
from course_lib.data.images import Normalisation
from course_lib.errors import CourseError

Schedule = Literal["one-cycle", "step", "constant"]
Loss = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """The settings of a run that decide what it learns; `fit` says what each means."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    nesterov: bool
    schedule: Schedule
    label_smoothing: float
    loss: Loss | None
    augmentation: Augmentation | None
    normalisation: Normalisation
    weights: Tensor | None
    seed: int

    def __post_init__(self) -> None:
        """Raise CourseError for a setting that no training can have."""
        schedule_factor(self.schedule, 0.0)
        for name, good, allowed in (
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "at least 0 and below 1"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "at least 0 and below 1"),
            ("momentum", self.momentum > 0 or not self.nesterov, "above 0 with nesterov=True"),
        ):
            if not good:
                raise CourseError(f"fit got {name}={getattr(self, name)}; it must be {allowed}.")

    def plain(self) -> dict[str, Any]:
        """The settings as values that a checkpoint can hold and compare. The number of epochs counts only where the
        schedule depends on it: a run at a constant rate may be made longer."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["weights"] = None if self.weights is None else zlib.crc32(self.weights.cpu().numpy().tobytes())
        values["loss"] = getattr(self.loss, "__qualname__", self.loss and type(self.loss).__name__)
        if self.schedule == "constant":
            del values["epochs"]
        return {key: value if isinstance(value, int | float | None) else str(value) for key, value in values.items()}


def schedule_factor(schedule: Schedule, progress: float) -> float:
    """What the highest learning rate is multiplied by when `progress`, in [0, 1), of all steps are done.

    "one-cycle": up along a cosine from 1/25 over the first 30 %, then down along a cosine to 1/10,000 of that
    (Smith and Topin 2018, with PyTorch's defaults). "step": a tenth after half of the steps, a hundredth after three
    quarters (He et al. 2016, section 4.2). "constant": 1. Raises CourseError for any other word.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    if schedule != "one-cycle":
        raise CourseError(f"There is no schedule {schedule!r}. Use one of: {', '.join(get_args(Schedule))}.")
    lowest, rise = 1 / 25, 0.3
    if progress < rise:
        start, end, part = lowest, 1.0, progress / rise
    else:
        start, end, part = 1.0, lowest * 1e-4, (progress - rise) / (1 - rise)
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
