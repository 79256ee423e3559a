"""ImageNet weights load where they fit, and every way to fail is one sentence that says what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import nn

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models.card import Card, Paper
from course_lib.models.weights import load_imagenet_weights

PAPER = Paper("Nobody", "Nothing", "Nowhere", 2000, "https://example.org")


def tiny() -> nn.Module:
    return nn.Linear(3, 2)


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PyTorch's folder of checkpoints, empty."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


def published(folder: Path, contents: object) -> Card:
    """A network whose weights are already in `folder`, under a name that ends in the digits of their hash."""
    torch.save(contents, folder / "draft")
    digits = hashlib.sha256((folder / "draft").read_bytes()).hexdigest()[:8]
    (folder / "draft").rename(folder / f"tiny-{digits}.pth")
    return Card(tiny, PAPER, depth=1, weights=f"https://example.org/tiny-{digits}.pth")


def test_weights_in_the_cache_are_loaded(checkpoints: Path) -> None:
    source, target = tiny(), tiny()
    load_imagenet_weights(target, published(checkpoints, source.state_dict()))
    assert torch.equal(target.weight, source.weight)


def test_weights_older_than_batch_norms_counters_are_loaded(checkpoints: Path) -> None:
    def normed() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    source, target = normed(), normed()
    nn.init.normal_(source[1].weight)
    state = {name: tensor for name, tensor in source.state_dict().items() if not name.endswith("num_batches_tracked")}
    load_imagenet_weights(target, published(checkpoints, state))
    assert torch.equal(target[1].weight, source[1].weight)
    assert target[1].num_batches_tracked == 0


def test_a_download_is_asked_for_with_its_hash(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tiny(), tiny()
    card = published(checkpoints, source.state_dict())
    (file,) = checkpoints.iterdir()
    served = file.rename(checkpoints.parent / "server")
    asked = []

    def download(url: str, path: str, hash_prefix: str) -> None:
        asked.append((url, hash_prefix))
        Path(path).write_bytes(served.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    load_imagenet_weights(target, card)
    load_imagenet_weights(target, card)
    assert asked == [(card.weights, file.stem.split("-")[1])]
    assert torch.equal(target.weight, source.weight)


def test_no_network_is_one_sentence(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*args: object, **options: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(CourseError, match=r"could not be fetched from https.*no route.*Connect"):
        models.build("alexnet_owt", weights="imagenet")


def test_offline_is_respected(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *args, **options: pytest.fail("went online"))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(CourseError, match="COURSE_OFFLINE"):
        models.build("alexnet_owt", weights="imagenet")


def test_a_damaged_file_is_refused_before_it_is_read(checkpoints: Path) -> None:
    card = published(checkpoints, tiny().state_dict())
    (file,) = checkpoints.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(CourseError, match=r"its SHA-256 does not start with .*Delete it"):
        load_imagenet_weights(tiny(), card)


def test_another_shape_is_refused_and_nothing_is_loaded(checkpoints: Path) -> None:
    card = published(checkpoints, nn.Linear(3, 1000).state_dict())
    network = tiny()
    before = network.weight.clone()
    with pytest.raises(CourseError, match="1000 classes"):
        load_imagenet_weights(network, card)
    assert torch.equal(network.weight, before)


@pytest.mark.parametrize("contents", [[1, 2, 3], {"weight": "not a tensor"}])
def test_a_foreign_checkpoint_is_refused(checkpoints: Path, contents: object) -> None:
    with pytest.raises(CourseError, match="not weights"):
        load_imagenet_weights(tiny(), published(checkpoints, contents))


def test_code_in_a_checkpoint_is_not_run(checkpoints: Path) -> None:
    with pytest.raises(CourseError, match="not weights"):
        load_imagenet_weights(tiny(), published(checkpoints, {"weight": Path("/")}))


def test_networks_without_weights_and_unknown_weights_are_answered_in_words() -> None:
    with pytest.raises(CourseError, match="no ImageNet weights for alexnet:"):
        models.build("alexnet", width=0.05, weights="imagenet")
    with pytest.raises(CourseError, match=r"no weights 'places'.*imagenet"):
        models.build("alexnet_owt", width=0.05, weights="places")
