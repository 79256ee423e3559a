"""What `test_distributed` starts under `accelerate launch`: train a small network and write down what happened.

Run: python tests/distributed_run.py OUT.json [CHECKPOINT]. Only the main process writes OUT.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_lib import scales, training
from course_lib.data.images import ImageSet


def pictures(count: int, seed: int) -> ImageSet:
    """Noise whose brightness says the class."""
    labels = torch.arange(count) % 3
    noise = torch.randint(0, 100, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    images = (noise + 75 * labels[:, None, None, None]).to(torch.uint8)
    return ImageSet(images, labels, ("dark", "middling", "bright"), "noise")


def network() -> nn.Module:
    """No dropout and no batch norm, which differ between processes by their nature."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)
    )


def main(out: Path, checkpoint: Path | None = None) -> None:
    """61 images in batches of 20: the last batch holds one image, so that one of two processes gets none."""
    training.seed_everything(0)
    net, scale = network(), scales.SCALES["smoke"]
    settings: dict[str, Any] = {"batch_size": 20, "device": "cpu", "precision": "float32", "label_smoothing": 0.1}
    history = training.fit(
        net, pictures(61, seed=0), pictures(33, seed=1), scale, epochs=3, checkpoint=checkpoint, **settings
    )
    # The same network again: what the first run left on it must not keep the second from sharing gradients.
    again = training.fit(net, pictures(61, seed=2), None, scale, epochs=1, **settings)
    from accelerate import PartialState

    if PartialState().is_main_process:
        run = {
            "processes": PartialState().num_processes,
            "train_loss": history.train_loss + again.train_loss,
            "test_loss": history.test_loss,
            "errors": [*history.train_error, *history.test_error],
            "weights": [parameter.tolist() for parameter in net.parameters()],
        }
        out.write_text(json.dumps(run))
    if PartialState().num_processes > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
