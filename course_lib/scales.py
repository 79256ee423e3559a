"""How much of an experiment to run: seconds to see that it works, minutes to see the effect, hours to see the paper.

Sizes that every lesson shares stand here; a lesson's own stand in the lesson, through `Scale.pick`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar

from course_lib.errors import CourseError

T = TypeVar("T")

ENVIRONMENT_VARIABLE = "COURSE_SCALE"


@dataclass(frozen=True)
class Scale:
    """The size of a run.

    train_images, test_images: how many images of each split a lesson uses, None for all.
    width: factor on every network's channels. seeds: repetitions of an experiment whose claim needs them.
    """

    name: str
    epochs: int
    batch_size: int
    train_images: int | None
    test_images: int | None
    width: float
    seeds: int

    def pick(self, *, smoke: T, laptop: T, gpu: T) -> T:
        """The value for this scale: `epochs = scale.pick(smoke=1, laptop=8, gpu=90)`."""
        return {"smoke": smoke, "laptop": laptop, "gpu": gpu}[self.name]


SCALES = {
    scale.name: scale
    for scale in (
        Scale("smoke", epochs=1, batch_size=64, train_images=640, test_images=320, width=0.25, seeds=1),
        Scale("laptop", epochs=10, batch_size=128, train_images=None, test_images=None, width=0.5, seeds=1),
        Scale("gpu", epochs=90, batch_size=128, train_images=None, test_images=None, width=1.0, seeds=3),
    )
}


def get(name: str | Scale) -> Scale:
    """The scale called `name`, or the one that the environment variable COURSE_SCALE names, which wins.

    Takes a `Scale` too, so that a notebook cell that says `scale = scales.get(scale)` can be run twice.
    Raises CourseError for an unknown name.
    """
    override = os.environ.get(ENVIRONMENT_VARIABLE)
    if override:
        return _find(override, f"the environment variable {ENVIRONMENT_VARIABLE}")
    return name if isinstance(name, Scale) else _find(name, "the cell tagged `parameters`")


def _find(name: str, where: str) -> Scale:
    if name not in SCALES:
        raise CourseError(f"There is no scale {name!r} (set in {where}). Use one of: {', '.join(SCALES)}.")
    return SCALES[name]
