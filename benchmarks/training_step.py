"""Our training step against the plain float32 loop of most tutorials: same network, optimiser, batches and labels.

The plain loop gets its batches ready-made; ours makes them on the way, so the ratio is if anything too small.
Run: python -m benchmarks.training_step
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import machine, models, profiling, scales, training
from course_lib.data.batches import batches
from course_lib.data.images import ImageSet

BATCH_SIZE, STEPS, ROUNDS = 128, 4, 5


class ResidualBlock(nn.Module):
    """He et al. 2016, figure 2, with a projection where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def residual_network() -> nn.Module:
    """A residual network of 14 layers for 32x32 images, with 32, 64 and 128 channels."""
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True)]
    in_channels = 32
    for channels, stride in ((32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        layers.append(ResidualBlock(in_channels, channels, stride))
        in_channels = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "alexnet, half width": lambda: models.build("alexnet", num_classes=10, image_size=32, width=0.5),
    "residual network": residual_network,
}


@dataclass(frozen=True)
class Measured:
    """Seconds a step, the best of several rounds: what the machine can do when nothing else disturbs it."""

    plain: float
    ours: float
    multiply_adds: int


def pictures(count: int) -> ImageSet:
    """Noise with labels: the time of a step does not depend on what the pictures show."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return ImageSet(images, torch.arange(count) % 10, tuple("abcdefghij"), "noise")


def plain_seconds(network: nn.Module, ready: list[tuple[Tensor, Tensor]], device: torch.device) -> float:
    """Seconds a step of the loop that tutorials show."""
    network.to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)
    running_loss, started = 0.0, time.perf_counter()
    for images, labels in ready:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    return (time.perf_counter() - started) / len(ready)


def our_seconds(network: nn.Module, train: ImageSet) -> float:
    """Seconds a step of `training.fit`, batches and measuring included."""
    history = training.fit(
        network,
        train,
        None,
        scales.SCALES["laptop"],
        epochs=1,
        batch_size=BATCH_SIZE,
        learning_rate=0.001,
        progress=False,
    )
    return history.seconds / (len(train) / BATCH_SIZE)


def measure(build: Callable[[], nn.Module]) -> Measured:
    """Both loops in turn, so that whatever else the machine does hits both; the first round only warms up."""
    train, device = pictures(STEPS * BATCH_SIZE), machine.accelerator()
    ready = [
        (images.contiguous(), labels)
        for images, labels in batches(train, BATCH_SIZE, augmentation=training.CROP_AND_FLIP, device=device)
    ]
    plain, ours = build(), build()
    rounds = [(plain_seconds(plain, ready, device), our_seconds(ours, train)) for _ in range(1 + ROUNDS)][1:]
    return Measured(*map(min, zip(*rounds, strict=True)), profiling.multiply_adds(build(), 32))


def main() -> None:
    """Print milliseconds a step and the ratio, one line a network."""
    print(f"Training step, batch {BATCH_SIZE} of 32x32 images, {machine.describe()}, {torch.get_num_threads()} threads")
    for name, build in NETWORKS.items():
        measured = measure(build)
        print(
            f"  {name}: plain float32 loop {1e3 * measured.plain:.0f} ms, training.fit {1e3 * measured.ours:.0f} ms, "
            f"ratio {measured.plain / measured.ours:.2f}"
        )


if __name__ == "__main__":
    main()
