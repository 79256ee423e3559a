"""Data sets, image sets in memory, and batches of them."""

from course_lib.data import facts, imagenet, open_images, places365, yfcc100m
from course_lib.data.batches import Augmentation, Batches, batches
from course_lib.data.cifar10 import CIFAR10_CLASSES, cifar10
from course_lib.data.images import ImageSet, Normalisation, Splits

__all__ = [
    "CIFAR10_CLASSES",
    "Augmentation",
    "Batches",
    "ImageSet",
    "Normalisation",
    "Splits",
    "batches",
    "cifar10",
    "facts",
    "imagenet",
    "open_images",
    "places365",
    "yfcc100m",
]
