"""Every network of the lecture: `build(name, ...)` or its factory, `names()` for all of them."""

from course_lib.models.alexnet import alexnet, alexnet_four_layer, alexnet_owt
from course_lib.models.card import Card, Paper
from course_lib.models.googlenet import googlenet, googlenet_bn
from course_lib.models.mobilenet import mobilenet_v1, mobilenet_v2
from course_lib.models.nin import nin, nin_cifar10
from course_lib.models.registry import build, card, names
from course_lib.models.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from course_lib.models.zfnet import zfnet, zfnet_wide

__all__ = [
    "Card",
    "Paper",
    "alexnet",
    "alexnet_four_layer",
    "alexnet_owt",
    "build",
    "card",
    "googlenet",
    "googlenet_bn",
    "mobilenet_v1",
    "mobilenet_v2",
    "names",
    "nin",
    "nin_cifar10",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "zfnet",
    "zfnet_wide",
]
