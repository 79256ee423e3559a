"""Figures made of pictures: grids, first-layer filters, boxes and masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.plots.alt import describe
from course_lib.plots.style import PALETTE, SERIES, WIDTH, axes_or_new, mark_miniature, styled

if TYPE_CHECKING:
    from course_lib.data.images import ImageSet

# Pictures smaller than this are shown pixel by pixel; larger ones shrink on the page and want smoothing.
PIXELS_VISIBLE_BELOW = 96


def displayable(image: Tensor) -> np.ndarray:
    """A picture as matplotlib takes it: (H, W, 3), uint8, or float within [0, 1].

    Takes (3, H, W), (1, H, W) or (H, W); uint8, or floats from 0 to 1.
    Raises CourseError for another shape, and for floats out of that range: they were normalised, and need `undo`.
    """
    image = image.detach().cpu()
    if image.ndim == 2:
        image = image[None]
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise CourseError(
            f"A picture has the shape (3, H, W) or (1, H, W), and this one has {tuple(image.shape)}. "
            "Permute it, or pass one picture instead of a batch."
        )
    if image.dtype != torch.uint8:
        image = image.float()
        in_range = (image >= -1e-3) & (image <= 1 + 1e-3)  # false for NaN too
        if not in_range.all():
            raise CourseError(
                f"A picture of floats has values from 0 to 1, and this one goes from {image.min():.3g} to "
                f"{image.max():.3g}. If it was normalised, undo that first: normalisation.undo(images)."
            )
        image = image.clamp(0, 1)
    return image.expand(3, -1, -1).permute(1, 2, 0).numpy()


@styled
def image_grid(
    images: ImageSet | Tensor | Sequence[Tensor],
    *,
    columns: int | None = None,
    titles: Sequence[str] | Literal["classes"] | None = "classes",
    captions: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    title: str | None = None,
    limit: int = 40,
    source: object = None,
    ax: Axes | None = None,
) -> Axes:
    """Pictures side by side, small ones with their pixels visible.

    images: an ImageSet, a tensor (N, 3, H, W), or pictures of several sizes; uint8, or floats from 0 to 1.
    titles: a text above each picture; by default the class, where `images` is an ImageSet.
    captions: a text below each ("cat → dog"). row_titles: a text left of each row. limit: draws no more than this many.
    source: where pictures given as tensors come from, an image set or a history; a miniature is marked.
    Raises CourseError where a list of texts does not fit the pictures.
    """
    pictures, names = _pictures_and_classes(images, limit)
    if titles == "classes":
        titles = names
    columns = min(columns or (10 if len(pictures) > 12 else min(len(pictures), 6)), len(pictures))
    rows = math.ceil(len(pictures) / columns)
    for what, texts, count in (
        ("titles", titles, len(pictures)),
        ("captions", captions, len(pictures)),
        ("row_titles", row_titles, rows),
    ):
        if texts is not None and len(texts) < count:
            raise CourseError(
                f"image_grid draws {count} {what.replace('_', ' ')}, and got {len(texts)}: pass one each."
            )

    tile = min(1.5, WIDTH / columns)  # inches
    above, below = (0.26 / tile if texts is not None else 0.05 for texts in (titles, captions))
    pitch = 1 + above + below
    ax = axes_or_new(ax, height=tile * rows * pitch + 0.3 * (title is not None) + 0.1)
    size = _fitting(9, [*(titles or ()), *(captions or ())], tile)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top = row * pitch + above
        _place(ax, picture, column, top)
        if titles is not None:
            ax.text(column + 0.5, top - 0.06 / tile, titles[index], ha="center", va="baseline", fontsize=size)
        if captions is not None:
            ax.text(column + 0.5, top + 1 + 0.14 / tile, captions[index], ha="center", va="baseline", fontsize=size)
    for row, text in enumerate(row_titles or ()):
        ax.text(-0.1, row * pitch + above + 0.5, text, ha="right", va="center", fontsize=9)
    ax.set(xlim=(-0.03, columns + 0.03), ylim=(rows * pitch, 0), aspect="equal")
    ax.axis("off")
    if title is not None:
        ax.set_title(title)
    mark_miniature(ax, [images, source])
    shown = sorted(set(titles or ()))
    describe(ax, f"Grid of {len(pictures)} pictures" + (f": {', '.join(shown)}." if 0 < len(shown) <= 12 else "."))
    return ax


def _pictures_and_classes(
    images: ImageSet | Tensor | Sequence[Tensor], limit: int
) -> tuple[list[np.ndarray], list[str] | None]:
    """The first `limit` pictures as arrays (H, W, 3), and their classes' names where known."""
    names = None
    pixels: Tensor | Sequence[Tensor]
    if isinstance(images, Tensor):
        pixels = images if images.ndim == 4 else images[None]
    elif not isinstance(images, Sequence):
        pixels = images.images
        names = [images.classes[label] for label in images.labels[:limit].tolist()]
    else:
        pixels = images
    if len(pixels) == 0:
        raise CourseError("There is no picture to draw: the image set is empty.")
    return [displayable(picture) for picture in pixels[:limit]], names


def _place(ax: Axes, picture: np.ndarray, left: float, top: float, margin: float = 0.03) -> None:
    """Draw a picture into the unit square at (left, top), centred, in its own proportions."""
    height, width = picture.shape[:2]
    scale = (1 - 2 * margin) / max(height, width)
    x, y = left + (1 - width * scale) / 2, top + (1 - height * scale) / 2
    extent = (x, x + width * scale, y + height * scale, y)
    smoothing = "nearest" if max(height, width) < PIXELS_VISIBLE_BELOW else "antialiased"
    ax.imshow(picture, extent=extent, interpolation=smoothing)


def _fitting(size: float, texts: Sequence[str], inches: float) -> float:
    """A font size, `size` or less but still legible, at which the longest text fits into `inches`."""
    longest = max((len(line) for text in texts for line in text.splitlines()), default=1)
    return max(6.5, min(size, inches * 72 / (0.56 * max(longest, 1))))


@styled
def filters(
    weight: Tensor,
    *,
    columns: int | None = None,
    order: Literal["norm", "colour"] | None = None,
    title: str | None = None,
    source: object = None,
    ax: Axes | None = None,
) -> Axes:
    """First-layer filters as pictures, each scaled by its own largest weight so that zero is mid grey.

    weight: (C_out, C_in, kH, kW) with C_in 3 (colour) or 1. order: "norm" puts the filters with the largest weights
    first, "colour" the grey ones before the colourful, as in figure 3 of Krizhevsky et al. (2012).
    source: the history or image set of the training; a miniature is marked.
    Raises CourseError for more input channels than a picture has.
    """
    weight = weight.detach().float().cpu()
    if weight.ndim != 4 or weight.shape[1] not in (1, 3):
        raise CourseError(
            f"Only filters (C_out, 3, kH, kW) or (C_out, 1, kH, kW) can be shown as pictures, and these have the shape "
            f"{tuple(weight.shape)}. Pass the weight of the first convolution."
        )
    if order == "norm":
        weight = weight[weight.flatten(1).norm(dim=1).argsort(descending=True)]
    elif order == "colour":
        colour = (weight - weight.mean(dim=1, keepdim=True)).flatten(1).norm(dim=1) / weight.flatten(1).norm(dim=1)
        weight = weight[colour.argsort()]
    pictures = 0.5 + 0.5 * weight / weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)

    count = len(pictures)
    columns = min(columns or 16, count)
    rows = math.ceil(count / columns)
    tile = min(0.8, WIDTH / columns)
    ax = axes_or_new(ax, height=rows * tile + 0.6)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        _place(ax, displayable(picture), column, row, margin=0.04)
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    ax.axis("off")
    height, width = weight.shape[2:]
    ax.set_title(title or f"{count} filters, {height}×{width} weights each (grey: zero)")
    mark_miniature(ax, [source])
    describe(ax, f"The {count} first-layer filters of {height} by {width} weights, shown as pictures.")
    return ax


@styled
def boxes_and_masks(
    picture: Tensor,
    *,
    boxes: Tensor | Sequence[Sequence[float]] | None = None,
    labels: Sequence[str] | None = None,
    masks: Tensor | Sequence[Tensor] | None = None,
    mask_labels: Sequence[str] | None = None,
    title: str | None = None,
    source: object = None,
    ax: Axes | None = None,
) -> Axes:
    """A picture with labelled bounding boxes, and masks laid over it with their outlines.

    picture: uint8 (3, H, W). boxes: (N, 4), corners (x1, y1, x2, y2) in pixels. labels: N texts.
    masks: bool (M, H, W). mask_labels: M texts. source: the data set; a miniature is marked.
    Raises CourseError where shapes do not fit together.
    """
    pixels = displayable(picture)
    height, width = pixels.shape[:2]
    boxes = torch.as_tensor(boxes if boxes is not None and len(boxes) else torch.zeros(0, 4)).float().cpu()
    if masks is None or len(masks) == 0:
        masks = torch.zeros(0, height, width, dtype=torch.bool)
    masks = (masks if isinstance(masks, Tensor) else torch.stack(list(masks))).cpu().bool()
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise CourseError(f"Boxes have the shape (N, 4), and these have {tuple(boxes.shape)}.")
    if masks.ndim != 3 or masks.shape[1:] != (height, width):
        raise CourseError(f"Masks have the shape (M, {height}, {width}) here, and these have {tuple(masks.shape)}.")
    for what, texts, things in (("box", labels, boxes), ("mask", mask_labels, masks)):
        if texts is not None and len(texts) != len(things):
            raise CourseError(f"There are {len(texts)} {what} labels for {len(things)} {what} shapes: pass one each.")

    ax = axes_or_new(ax, height=min(6.0, 5.5 * height / width), width=5.5)
    smoothing = "nearest" if max(height, width) < PIXELS_VISIBLE_BELOW else "antialiased"
    ax.imshow(pixels, extent=(0, width, height, 0), interpolation=smoothing)
    for index, mask in enumerate(masks):
        _draw_mask(ax, mask.numpy(), SERIES[index % 6].color, mask_labels[index] if mask_labels else None)
    for index, box in enumerate(boxes.tolist()):
        _draw_box(ax, box, index, labels[index] if labels else None)
    ax.set(xlim=(0, width), ylim=(height, 0), xlabel="x (pixels)", ylabel="y (pixels)")
    if title:
        ax.set_title(title)
    mark_miniature(ax, [source])
    described = [f"a box around {label}" for label in labels or ()] + [
        f"a mask of {text}" for text in mask_labels or ()
    ]
    describe(ax, f"A picture with {', '.join(described) or f'{len(boxes)} boxes and {len(masks)} masks'}.")
    return ax


def _draw_box(ax: Axes, box: list[float], index: int, label: str | None) -> None:
    left, top, right, bottom = box
    look = SERIES[index % 6]
    # A white line below the coloured one keeps the box visible on any picture.
    outline = [patheffects.withStroke(linewidth=4, foreground="white")]
    ax.add_patch(
        Rectangle(
            (left, top),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=look.color,
            linestyle=look.linestyle,
            linewidth=2,
            path_effects=outline,
        )
    )
    if label:
        _label(ax, left, top, label, look.color)


def _draw_mask(ax: Axes, mask: np.ndarray, color: str, label: str | None) -> None:
    height, width = mask.shape
    overlay = np.zeros((height, width, 4))
    overlay[mask] = (*to_rgb(color), 0.45)
    ax.imshow(overlay, extent=(0, width, height, 0), interpolation="nearest")
    if not mask.any():
        return
    # A rim of zeros closes the outline where the mask touches the picture's edge.
    x, y = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
    ax.contour(x, y, np.pad(mask, 1).astype(float), levels=[0.5], colors=[color], linewidths=1.5)
    if label:
        rows, columns = np.nonzero(mask)
        middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
        _label(ax, columns[middle], rows[middle], label, color)


def _label(ax: Axes, x: float, y: float, text: str, color: str) -> None:
    dark = sum(part * weight for part, weight in zip(to_rgb(color), (0.299, 0.587, 0.114), strict=True)) < 0.45
    ax.text(
        x,
        y,
        text,
        fontsize=9,
        color="white" if dark else PALETTE["black"],
        va="top",
        bbox={"facecolor": color, "edgecolor": "none", "pad": 1.5},
        clip_on=True,
    )
