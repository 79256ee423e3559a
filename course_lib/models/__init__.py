"""Every network of the lecture: `build(name, ...)` or its factory, `names()` for all of them."""

from course_lib.models.alexnet import alexnet, alexnet_four_layer, alexnet_owt
from course_lib.models.card import Card, Paper
from course_lib.models.registry import build, card, names

__all__ = ["Card", "Paper", "alexnet", "alexnet_four_layer", "alexnet_owt", "build", "card", "names"]
