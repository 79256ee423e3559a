"""Images a second: batches from whole tensors against a DataLoader with torchvision's transforms.

Same augmentation (random crop with padding 4, flip), same normalisation, same batch size, one epoch each over the same
uint8 images in memory. The DataLoader runs without workers and with two, and the better counts.

    python benchmarks/batches.py [--images N] [--batch-size N] [--repeats N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from course_lib import data


class OneByOne(Dataset):
    """What torchvision's CIFAR10 does for each image: bytes -> PIL -> transforms."""

    def __init__(self, images: data.ImageSet):
        self.pixels = images.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = images.labels.tolist()
        normalisation = images.normalisation
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(normalisation.mean, normalisation.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def images_a_second(epoch: Callable[[], Iterable], count: int, repeats: int) -> float:
    """The best of `repeats` epochs: what disturbs the machine only ever slows it down."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        seen = sum(len(y) for _, y in epoch())
        best = min(best, time.perf_counter() - start)
        assert seen == count
    return count / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (options.images, 3, 32, 32), dtype=torch.uint8, generator=generator)
    images = data.ImageSet(pixels, torch.arange(options.images) % 10, data.CIFAR10_CLASSES, "noise")
    # Outside the clock: the plain way has its mean and standard deviation before it starts, too.
    normalisation = images.normalisation
    one_by_one = OneByOne(images)
    size = options.batch_size

    plain = {
        workers: images_a_second(
            lambda workers=workers: DataLoader(one_by_one, size, shuffle=True, num_workers=workers),
            options.images,
            options.repeats,
        )
        for workers in (0, 2)
    }
    ours = {
        channels_last: images_a_second(
            lambda last=channels_last: data.batches(
                images,
                size,
                normalisation=normalisation,
                augmentation=data.Augmentation(padding=4),
                shuffle=True,
                channels_last=last,
            ),
            options.images,
            options.repeats,
        )
        for channels_last in (False, True)
    }
    copied = images_a_second(lambda: ((x.float(), x) for x in pixels.split(size)), options.images, options.repeats)

    threads = torch.get_num_threads()
    print(f"Batches of {size}, {options.images:,} images of 32x32, {threads} threads, best of {options.repeats} epochs")
    for workers, speed in plain.items():
        print(f"  DataLoader, torchvision transforms, {workers} workers   {speed:>10,.0f} images/s")
    for channels_last, speed in ours.items():
        print(
            f"  course_lib.data.batches{', channels last' if channels_last else '':<15}        {speed:>10,.0f} images/s"
        )
    print(f"  limit: bytes to float32, nothing else           {copied:>10,.0f} images/s")
    best = max(plain.values())
    print(f"ratio: {ours[False] / best:.1f} times the better DataLoader (channels last {ours[True] / best:.1f} times),")
    print(f"       {ours[False] / copied:.0%} of the limit")


if __name__ == "__main__":
    main()
