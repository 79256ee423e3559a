"""The questions of lesson 01, data sets: references, random inputs, and the mistakes people make."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises import asking
from course_lib.exercises.cases import Case, copy
from course_lib.exercises.specification import Exercise, Mistake

# --- 1.1 imbalance --------------------------------------------------------------------------------------------------


def imbalance(labels: Tensor, num_classes: int) -> tuple[float, float]:
    """Imbalance ratio, and effective number of classes, of labels int64 (N,) between 0 and num_classes - 1.

    The ratio is the largest class's count over the smallest's, infinity where a class has no image. The effective
    number is the exponential of the labels' entropy in nats: num_classes if all are equal, 1 if there is only one.
    """
    counts = labels.bincount(minlength=num_classes).double()
    share = counts[counts > 0] / len(labels)
    entropy = -(share * share.log()).sum()
    return (counts.max() / counts.min()).item(), entropy.exp().item()


# --- 1.2 channel statistics -----------------------------------------------------------------------------------------


def channel_statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, float (3,), of all pixels scaled to [0, 1], seeing each batch once.

    batches: uint8 (B, 3, H, W), B from batch to batch another. The deviation divides by the number of pixels.
    """
    count, total, squares = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for images in batches:
        pixels = images.double() / 255
        count += pixels[:, 0].numel()
        total += pixels.sum((0, 2, 3))
        squares += pixels.square().sum((0, 2, 3))
    mean = total / count
    return mean, (squares / count - mean.square()).sqrt()


# --- 1.3 crop and flip ----------------------------------------------------------------------------------------------


def crop_and_flip(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    """A window of each padded image, some mirrored: (N, C, H, W) -> (N, C, H, W).

    padding: zeros on all four sides, in pixels. offsets: int64 (N, 2), row and column of each window's first pixel in
    the padded image, 0 to 2 * padding. mirrored: bool (N,), which windows to flip left to right afterwards.
    """
    _, channels, height, width = images.shape
    padded = F.pad(images, [padding] * 4)
    rows = offsets[:, :1] + torch.arange(height)
    columns = offsets[:, 1:] + torch.arange(width)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    pixels = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).flatten(1)  # (N, H * W)
    return padded.flatten(2).gather(2, pixels[:, None].expand(-1, channels, -1)).view(images.shape)


# --- 1.4 class-balanced sampling ------------------------------------------------------------------------------------


def balanced_weights(labels: Tensor, num_classes: int) -> Tensor:
    """The probability to draw each image, float (N,), such that all classes present are drawn equally often.

    labels: int64 (N,). The weights sum to 1; images of one class have the same.
    """
    counts = labels.bincount(minlength=num_classes)
    weights = 1 / counts[labels].double()
    return weights / weights.sum()


# --- 1.5 nearest neighbour ------------------------------------------------------------------------------------------


def nearest_neighbour(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    """The label of the training image nearest to each query, int64 (Q,), by the Euclidean distance of their pixels.

    train_images: uint8 (N, 3, H, W). train_labels: int64 (N,). query_images: uint8 (Q, 3, H, W).
    """
    distance = torch.cdist(query_images.flatten(1).double(), train_images.flatten(1).double())
    return train_labels[distance.argmin(dim=1)]


# --- what people get wrong ------------------------------------------------------------------------------------------


def _entropy(labels: Tensor, num_classes: int) -> tuple[float, float]:
    ratio, effective = imbalance(labels, num_classes)
    return ratio, math.log(effective)


def _exponential_of_bits(labels: Tensor, num_classes: int) -> tuple[float, float]:
    ratio, effective = imbalance(labels, num_classes)
    return ratio, math.exp(math.log2(effective))


def _smallest_over_largest(labels: Tensor, num_classes: int) -> tuple[float, float]:
    ratio, effective = imbalance(labels, num_classes)
    return 1 / ratio, effective


def _largest_over_mean(labels: Tensor, num_classes: int) -> tuple[float, float]:
    counts = labels.bincount(minlength=num_classes).double()
    return (counts.max() / counts.mean()).item(), imbalance(labels, num_classes)[1]


def _only_classes_present(labels: Tensor, num_classes: int) -> tuple[float, float]:
    counts = labels.unique(return_counts=True)[1].double()
    return (counts.max() / counts.min()).item(), imbalance(labels, num_classes)[1]


IMBALANCE_MISTAKES = (
    Mistake(_entropy, "That is the entropy itself: the effective number of classes is its exponential."),
    Mistake(
        _exponential_of_bits, "The entropy is in bits, but `exp` undoes the natural logarithm: use `log`, not `log2`."
    ),
    Mistake(_smallest_over_largest, "The ratio is upside down: the largest count over the smallest."),
    Mistake(_largest_over_mean, "You compare the largest class with the average one; compare it with the smallest."),
    Mistake(
        _only_classes_present,
        "A class without a single image counts too: its count is 0, and the ratio infinite. See `minlength` of "
        "`bincount`.",
    ),
)


def _gathered(batches: Iterable[Tensor]) -> Tensor:
    """All pixels, float64 (3, number of pixels)."""
    return torch.cat([images.double().div(255).transpose(0, 1).flatten(1) for images in batches], dim=1)


def _batch_means_averaged(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    pixels = [_gathered([images]) for images in batches]
    mean = torch.stack([batch.mean(1) for batch in pixels]).mean(0)
    square = torch.stack([batch.square().mean(1) for batch in pixels]).mean(0)
    return mean, (square - mean.square()).sqrt()


def _batch_deviations_averaged(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    pixels = [_gathered([images]) for images in batches]
    sizes = torch.tensor([batch.shape[1] for batch in pixels], dtype=torch.float64)[:, None] / sum(
        batch.shape[1] for batch in pixels
    )
    means, deviations = (torch.stack([f(batch) for batch in pixels]) for f in (_mean, _deviation))
    return (sizes * means).sum(0), (sizes * deviations).sum(0)


def _mean(pixels: Tensor) -> Tensor:
    return pixels.mean(1)


def _deviation(pixels: Tensor) -> Tensor:
    return pixels.std(1, unbiased=False)


def _not_scaled(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    mean, deviation = channel_statistics(batches)
    return 255 * mean, 255 * deviation


def _variance(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    mean, deviation = channel_statistics(batches)
    return mean, deviation.square()


def _root_mean_square(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    mean, deviation = channel_statistics(batches)
    return mean, (deviation.square() + mean.square()).sqrt()


def _one_less(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    pixels = _gathered(batches)
    return pixels.mean(1), pixels.std(1)


def _all_channels_together(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    pixels = _gathered(batches).flatten()
    return pixels.mean().expand(3), pixels.std(unbiased=False).expand(3)


def _images_instead_of_pixels(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    means = torch.cat([images.double().div(255).mean((2, 3)) for images in batches])
    return means.mean(0), means.std(0, unbiased=False)


def _two_passes(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    pixels = _gathered(batches)
    mean, nothing_left = pixels.mean(1), torch.zeros(3, dtype=torch.float64)
    for images in batches:
        nothing_left += (images.double() / 255 - mean[:, None, None]).square().sum((0, 2, 3))
    return mean, (nothing_left / pixels.shape[1]).sqrt()


STATISTICS_MISTAKES = (
    Mistake(
        _batch_means_averaged,
        "The mean of the batches' means weights a small batch like a large one: add up sums and numbers of pixels.",
    ),
    Mistake(
        _batch_deviations_averaged,
        "The average of the batches' deviations misses how the batches differ: add up squares, and take the root last.",
    ),
    Mistake(_not_scaled, "Scale the pixels to [0, 1]: divide by 255."),
    Mistake(_variance, "That is the variance: the standard deviation is its square root."),
    Mistake(_root_mean_square, "Subtract the square of the mean before you take the root."),
    Mistake(_one_less, "Divide by the number of pixels, not by one less (`unbiased=False`)."),
    Mistake(_all_channels_together, "One number for each channel: do not sum over dimension 1."),
    Mistake(
        _images_instead_of_pixels,
        "That is how much the images' averages differ. Every pixel counts, not the mean of each image.",
    ),
    Mistake(
        _two_passes, "`batches` can be gone through once. The second time nothing is left: collect both sums at once."
    ),
)


def _same_window(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    return crop_and_flip(images, offsets[:1].expand_as(offsets), mirrored, padding)


def _columns_first(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    return crop_and_flip(images, offsets.flip(1), mirrored, padding)


def _flipped_first(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    flipped = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)
    return crop_and_flip(flipped, offsets, torch.zeros_like(mirrored), padding)


def _upside_down(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    cropped = crop_and_flip(images, offsets, torch.zeros_like(mirrored), padding)
    return torch.where(mirrored.view(-1, 1, 1, 1), cropped.flip(2), cropped)


def _not_flipped(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    return crop_and_flip(images, offsets, torch.zeros_like(mirrored), padding)


def _the_others_flipped(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    return crop_and_flip(images, offsets, ~mirrored, padding)


def _other_direction(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    return crop_and_flip(images, 2 * padding - offsets, mirrored, padding)


def _reflected(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    padded = F.pad(images.double(), [padding] * 4, mode="reflect").to(images.dtype)
    return _window(padded, offsets, mirrored, images.shape)


def _wrapped(images: Tensor, offsets: Tensor, mirrored: Tensor, padding: int = 4) -> Tensor:
    shifted = [
        image.roll((padding - int(row), padding - int(column)), (1, 2))
        for image, (row, column) in zip(images, offsets, strict=True)
    ]
    rolled = torch.stack(shifted)
    return torch.where(mirrored.view(-1, 1, 1, 1), rolled.flip(3), rolled)


def _window(padded: Tensor, offsets: Tensor, mirrored: Tensor, shape: torch.Size) -> Tensor:
    height, width = shape[2:]
    windows = [
        image[:, row : row + height, column : column + width]
        for image, (row, column) in zip(padded, offsets.tolist(), strict=True)
    ]
    cropped = torch.stack(windows)
    return torch.where(mirrored.view(-1, 1, 1, 1), cropped.flip(3), cropped)


CROP_MISTAKES = (
    Mistake(_same_window, "Every image gets the window of the first: each has its own row of `offsets`."),
    Mistake(_columns_first, "Rows and columns are swapped: `offsets[:, 0]` is the row."),
    Mistake(_flipped_first, "You flip before cropping: the window of a mirrored image then lies on the other side."),
    Mistake(_upside_down, "You flip top to bottom (dimension 2): left to right is the last dimension."),
    Mistake(_not_flipped, "The windows are right, but none is flipped."),
    Mistake(_the_others_flipped, "You flip those that should stay, and leave those that should be flipped."),
    Mistake(_other_direction, "The window moves the wrong way: offset 0 is the top left corner of the padded image."),
    Mistake(_reflected, "Pad with zeros: you reflect the picture at its edges."),
    Mistake(_wrapped, "What leaves on one side comes in on the other (`roll` wraps around): pad with zeros first."),
)


def _proportional(labels: Tensor, num_classes: int) -> Tensor:
    weights = labels.bincount(minlength=num_classes)[labels].double()
    return weights / weights.sum()


def _uniform(labels: Tensor, num_classes: int) -> Tensor:
    return torch.full((len(labels),), 1 / len(labels), dtype=torch.float64)


def _not_summing_to_one(labels: Tensor, num_classes: int) -> Tensor:
    return 1 / labels.bincount(minlength=num_classes)[labels].double()


def _empty_classes_counted(labels: Tensor, num_classes: int) -> Tensor:
    return 1 / (num_classes * labels.bincount(minlength=num_classes)[labels].double())


def _one_minus_share(labels: Tensor, num_classes: int) -> Tensor:
    weights = 1 - labels.bincount(minlength=num_classes)[labels].double() / len(labels)
    return weights / weights.sum()


def _one_per_class(labels: Tensor, num_classes: int) -> Tensor:
    weights = 1 / labels.bincount(minlength=num_classes).double()
    return weights / weights[weights.isfinite()].sum()


WEIGHT_MISTAKES = (
    Mistake(_proportional, "Frequent classes get even more: the weight is one over the count, not the count."),
    Mistake(_uniform, "All images are drawn equally often, so all classes are as unequal as before."),
    Mistake(_not_summing_to_one, "Right but for a factor: divide by the sum, so that the weights are probabilities."),
    Mistake(
        _empty_classes_counted,
        "Classes without an image cannot be drawn: divide by the weights' sum, not by the number of classes.",
    ),
    Mistake(_one_minus_share, "1 minus the share favours rare classes, but not enough: use 1 over the count."),
    Mistake(_one_per_class, "That is one weight for each class: index it with `labels` to get one for each image."),
)


def _in_bytes(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    difference = query_images.flatten(1)[:, None] - train_images.flatten(1)
    return train_labels[(difference * difference).sum(2).argmin(1)]


def _in_bytes_then_squared(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    difference = query_images.flatten(1)[:, None] - train_images.flatten(1)
    return train_labels[difference.double().square().sum(2).argmin(1)]


def _farthest(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    return train_labels[torch.cdist(query_images.flatten(1).double(), train_images.flatten(1).double()).argmax(1)]


def _index(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    return nearest_neighbour(train_images, torch.arange(len(train_labels)), query_images)


def _manhattan(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    distance = torch.cdist(query_images.flatten(1).double(), train_images.flatten(1).double(), p=1)
    return train_labels[distance.argmin(1)]


def _largest_product(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    return train_labels[(query_images.flatten(1).double() @ train_images.flatten(1).double().T).argmax(1)]


def _angle(train_images: Tensor, train_labels: Tensor, query_images: Tensor) -> Tensor:
    query, train = (F.normalize(images.flatten(1).double(), dim=1) for images in (query_images, train_images))
    return train_labels[(query @ train.T).argmax(1)]


NEIGHBOUR_MISTAKES = (
    Mistake(_in_bytes, "Bytes wrap around: 3 - 5 is 254 in uint8, and squares wrap too. Convert to float first."),
    Mistake(_in_bytes_then_squared, "Bytes wrap around: 3 - 5 is 254 in uint8. Convert to float before subtracting."),
    Mistake(_farthest, "That is the farthest image: look for the smallest distance."),
    Mistake(_index, "That is the number of the nearest image: look up its label in `train_labels`."),
    Mistake(_manhattan, "You sum absolute differences: the Euclidean distance sums squares."),
    Mistake(
        _largest_product,
        "A large scalar product is no small distance: a bright image has a large one with everything.",
    ),
    Mistake(_angle, "That compares angles (cosine similarity), so brightness does not count: take the distance."),
)


# --- random inputs --------------------------------------------------------------------------------------------------


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    """Between low and high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def _unequal_labels(generator: torch.Generator, num_classes: int, count: int, empty: bool) -> Tensor:
    """Labels of clearly different frequencies, every class there but, where `empty`, one."""
    share = torch.rand(num_classes, generator=generator, dtype=torch.float64) ** 2 + 0.03
    present = torch.arange(num_classes)
    if empty:
        gap = _integer(generator, 0, num_classes - 1)
        share[gap] = 0
        present = present[present != gap]
    drawn = torch.multinomial(share, count, replacement=True, generator=generator)
    return torch.cat([present, drawn])[torch.randperm(count + len(present), generator=generator)]


def _label_cases(generator: torch.Generator) -> list[Case]:
    """Ten sets of labels, three of them without a single image of one class."""
    cases = []
    for number in range(10):
        num_classes, count = _integer(generator, 4, 12), _integer(generator, 60, 300)
        labels = _unequal_labels(generator, num_classes, count, empty=number % 3 == 2)
        cases.append(Case.call(labels, num_classes))
    return cases


def _batch_cases(generator: torch.Generator) -> list[Case]:
    """Batches of different sizes and brightness: then no average of averages comes out right."""
    cases = []
    for _ in range(8):
        height, width = _integer(generator, 3, 6), _integer(generator, 3, 6)
        batches = []
        for size in torch.randperm(4, generator=generator).tolist():
            low = torch.randint(0, 150, (1, 3, 1, 1), generator=generator)
            noise = torch.randint(0, 106, (size + 1, 3, height, width), generator=generator)
            batches.append((low + noise).to(torch.uint8))
        cases.append(Case.call(batches))
    return cases


def _in_one_pass(answer: Any, case: Case) -> dict[str, Tensor]:
    """Hands over the batches as an iterator, so that a second pass finds nothing."""
    (batches,) = copy(case.arguments)
    return asking.ask(answer, dataclasses.replace(case, arguments=(iter(batches),)))


def _crop_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for number in range(8):
        count, padding = _integer(generator, 4, 8), _integer(generator, 2, 4)
        height = _integer(generator, 6, 10)
        width = height + _integer(generator, 1, 4)
        images = torch.randint(1, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)
        offsets = torch.randint(0, 2 * padding + 1, (count, 2), generator=generator)
        offsets[0] = torch.tensor([0, 2 * padding])  # the corners, both ways round
        offsets[1] = torch.tensor([2 * padding, 1])
        mirrored = torch.rand(count, generator=generator) < 0.5
        mirrored[0], mirrored[1] = True, False
        # Augmentation is for any kind of number: every other case has floats.
        cases.append(Case.call(images if number % 2 else images / 255, offsets, mirrored, padding=padding))
    return cases


def _neighbour_cases(generator: torch.Generator) -> list[Case]:
    """Prototypes of unlike brightness, and queries between them; more labels than luck would hit."""
    cases = []
    for _ in range(8):
        count, queries, side = _integer(generator, 30, 60), _integer(generator, 12, 20), _integer(generator, 3, 5)
        shape = (3, side, side)
        brightness = torch.rand(count, 1, 1, 1, generator=generator) + 0.2
        train = (torch.rand(count, *shape, generator=generator) * brightness * 212).to(torch.uint8)
        labels = torch.randint(0, 20, (count,), generator=generator)
        nearest = torch.randint(0, count, (queries,), generator=generator)
        shifted = train[nearest].float() + 45 * torch.randn(queries, *shape, generator=generator)
        cases.append(Case.call(train, labels, shifted.clamp(0, 255).to(torch.uint8)))
    return cases


# --- the questions --------------------------------------------------------------------------------------------------

EXERCISES = (
    Exercise(
        name="datasets.imbalance",
        title="How unbalanced is it?",
        points=4,
        hints=(
            "`labels.bincount(minlength=num_classes)` counts the images of each class, empty classes included.",
            "Divide by the number of labels to get shares p. The entropy is minus the sum of p log p, with the natural "
            "logarithm.",
            "Keep only shares above 0 before taking the logarithm. `torch.exp` undoes it, `.item()` makes a number.",
        ),
        answer="imbalance",
        reference=imbalance,
        cases=_label_cases,
        mistakes=IMBALANCE_MISTAKES,
    ),
    Exercise(
        name="datasets.channel_statistics",
        title="Mean and deviation in one pass",
        points=5,
        hints=(
            "Carry three things from batch to batch: how many pixels, their sum, the sum of their squares.",
            "Sum over images, rows and columns, `dim=(0, 2, 3)`, which leaves one number for each channel. "
            "Convert to float first: bytes overflow.",
            "The variance is the mean of the squares minus the square of the mean; the deviation is its root. Use "
            "float64: the subtraction loses digits.",
        ),
        answer="channel_statistics",
        reference=channel_statistics,
        cases=_batch_cases,
        mistakes=STATISTICS_MISTAKES,
        ask=_in_one_pass,
    ),
    Exercise(
        name="datasets.crop_and_flip",
        title="Crop and flip a whole batch",
        points=5,
        hints=(
            "Pad with `F.pad(images, [padding] * 4)`. For one image the window is "
            "`padded[n, :, row : row + H, column : column + W]`; a loop over images is a fine first version.",
            "Without a loop: `offsets[:, :1] + torch.arange(H)` has the rows of every window, (N, H), and the columns "
            "go the same way. A mirrored window reads its columns backwards.",
            "In a flattened padded image, pixel (row, column) is number `row * padded.shape[3] + column`. Make these "
            "numbers for all pixels of all windows, (N, H * W), and let `padded.flatten(2).gather(2, ...)` fetch them; "
            "`expand` repeats them for every channel.",
        ),
        answer="crop_and_flip",
        reference=crop_and_flip,
        cases=_crop_cases,
        mistakes=CROP_MISTAKES,
    ),
    Exercise(
        name="datasets.nearest_neighbour",
        title="The nearest neighbour",
        points=3,
        hints=(
            "`.flatten(1).float()` makes a row of numbers of each image.",
            "`torch.cdist(queries, train)` has the distance of every query to every training image, (Q, N).",
            "`.argmin(dim=1)` is the number of the nearest training image; its label is one look-up away.",
        ),
        answer="nearest_neighbour",
        reference=nearest_neighbour,
        cases=_neighbour_cases,
        mistakes=NEIGHBOUR_MISTAKES,
    ),
    Exercise(
        name="datasets.balanced_weights",
        title="Sample all classes alike",
        points=3,
        hints=(
            "A class of 500 images and a class of 5 are drawn equally often if the images of the second weigh 100 "
            "times as much.",
            "`counts[labels]` looks up, for every image, how many images its class has.",
        ),
        answer="balanced_weights",
        reference=balanced_weights,
        cases=_label_cases,
        mistakes=WEIGHT_MISTAKES,
    ),
)
