"""A training run on disk, written after each epoch, so that a run that was stopped goes on bit for bit.

No random state is stored: `fit` draws the randomness of an epoch (shuffling, crops, dropout) from the seed and the
epoch's number alone, so an epoch is the same whether the process that runs it started a minute or a week ago.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_lib.data.images import ImageSet
from course_lib.errors import CourseError
from course_lib.history import Epoch, History

FORMAT = 1

State = dict[str, Any]


def fingerprint(network: nn.Module, train: ImageSet, recipe: dict[str, Any]) -> State:
    """What must be equal for a checkpoint to be continued: recipe, layers and training images, in plain values.

    Device, precision and number of processes are left out on purpose: a run may go on elsewhere.
    """
    layers = "; ".join(f"{name} {tuple(value.shape)}" for name, value in network.state_dict().items())
    sample = train.images[:: max(1, len(train) // 256)]
    pixels = zlib.crc32(sample.contiguous().cpu().numpy().tobytes(), zlib.crc32(train.labels.cpu().numpy().tobytes()))
    return {**recipe, "layers": layers, "training images": f"{len(train)} of {train.source}, checksum {pixels:08x}"}


def save(path: Path, network: nn.Module, history: History, settings: State, **states: State) -> None:
    """Write the run to `path` in one step: a reader sees the old checkpoint or the new one, never half of one.

    `states` are further state dictionaries (optimiser, gradient scaler). A full disk or a folder without permission
    gives a warning, not an error: the training is worth more than the file.
    """
    run = {
        "format": FORMAT,
        "settings": settings,
        "network": network.state_dict(),
        "epochs": [asdict(epoch) for epoch in history.epochs],
        **states,
    }
    unfinished: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
            unfinished = file.name
            torch.save(run, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except (OSError, RuntimeError) as error:
        warnings.warn(
            f"The checkpoint {path} could not be written ({error}). Training goes on without it; "
            "what an earlier epoch wrote there is unharmed. Free some space, or give fit another checkpoint=path.",
            stacklevel=2,
        )
        if unfinished is not None:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)


def load(path: Path, network: nn.Module, settings: State) -> State | None:
    """Read the run at `path` and put its weights into `network`; None where there is no such file.

    Returns what `save` was given: "epochs" (a tuple of Epoch) and the further states.
    Raises CourseError for a damaged file and for a run of another network, recipe or training set; `network` is then
    as it was.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            # torch.load does not look at the checksums that torch.save writes.
            if archive.testzip() is not None:
                raise zipfile.BadZipFile("checksum")
        # weights_only: a checkpoint from a stranger must not run code.
        run = torch.load(path, map_location="cpu", weights_only=True)
        stored, weights, epochs = run["settings"], run["network"], tuple(Epoch(**epoch) for epoch in run["epochs"])
    except Exception as error:
        # torch.load has no error of its own: a damaged file raises anything from EOFError to KeyError.
        raise CourseError(
            f"{path} is not a checkpoint that fit can read ({type(error).__name__}): it may be cut off or of another "
            "program. Delete it to train from the start, or give fit another checkpoint=path."
        ) from error
    differences = [
        f"{name}: {_short(stored.get(name))} there, {_short(settings.get(name))} here"
        for name in sorted(stored.keys() | settings.keys())
        if stored.get(name) != settings.get(name)
    ]
    if differences:
        raise CourseError(
            f"{path} belongs to another training run ({'; '.join(differences)}). "
            "Call fit with the same settings to continue it, or give this run another checkpoint=path."
        )
    network.load_state_dict(weights)
    return {**run, "epochs": epochs}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:50]}… ({len(text)} characters)"
