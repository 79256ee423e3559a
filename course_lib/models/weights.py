"""Weights that torchvision trained on ImageNet, for the networks whose parameter names are torchvision's."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models.card import Card


def load_imagenet_weights(network: nn.Module, card: Card, weights: str = "imagenet") -> None:
    """Load torchvision's weights into `network`, from PyTorch's own cache of checkpoints or its server.

    Raises CourseError where there are none, where they cannot be fetched (COURSE_OFFLINE=1 forbids trying), where
    the file is not what its name says (its SHA-256 is compared on every load), and where they do not fit `network`.
    """
    if weights != "imagenet":
        raise CourseError(f'There are no weights {weights!r}: use weights="imagenet", or None for random ones.')
    if card.weights is None:
        raise CourseError(f"torchvision has no ImageNet weights for {card.name}: train it, or leave `weights` out.")
    state = _read(_checkpoint(card.weights))
    if _shapes(state) != _shapes(network.state_dict()):
        raise CourseError(
            f"The ImageNet weights of {card.name} fit 1000 classes, 224-pixel images and width 1. "
            "Build it so, then replace its last layer."
        )
    network.load_state_dict(state)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Shapes by name, without batch norm's counters: checkpoints from before PyTorch 0.4.1 have none, and load so."""
    return {name: tensor.shape for name, tensor in state.items() if not name.endswith(".num_batches_tracked")}


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors in a checkpoint, by name; no code in it is run."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CourseError(f"{path} is not weights of a network. Delete it and run this again.") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CourseError(f"{path} is not weights of a network. Delete it and run this again.")
    return state


def _checkpoint(url: str) -> Path:
    """The verified file behind `url`, fetched if it is not in the cache yet."""
    name = url.rsplit("/", 1)[1]
    digits = Path(name).stem.rsplit("-", 1)[1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.exists():
        if os.environ.get("COURSE_OFFLINE"):
            raise CourseError(f"{name} is not in {path.parent}, and COURSE_OFFLINE forbids fetching it from {url}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digits)
        except (URLError, OSError) as error:
            raise CourseError(
                f"The weights could not be fetched from {url} ({error}). Connect to the internet and run this "
                f"again, or copy the file to {path}."
            ) from error
        except RuntimeError as error:
            raise CourseError(f"What {url} sent is damaged ({error}). Run this again.") from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(digits):
        raise CourseError(f"{path} is damaged: its SHA-256 does not start with {digits}. Delete it and run this again.")
    return path
