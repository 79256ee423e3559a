"""Every network of the lecture: `build(name, ...)` or its factory, `names()` for all of them."""

from course_lib.models.alexnet import alexnet, alexnet_four_layer, alexnet_owt
from course_lib.models.card import Card, Paper
from course_lib.models.cifar_resnet import (
    plain20,
    plain32,
    plain44,
    plain56,
    plain110,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
    resnet1202,
)
from course_lib.models.googlenet import googlenet, googlenet_bn
from course_lib.models.mobilenet import mobilenet_v1, mobilenet_v2
from course_lib.models.nin import nin, nin_cifar10
from course_lib.models.preresnet import preresnet164, preresnet1001
from course_lib.models.registry import build, card, names
from course_lib.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from course_lib.models.resnext import (
    resnext29_8x64d,
    resnext29_16x64d,
    resnext29_32x4d,
    resnext50_32x4d,
    resnext101_32x8d,
)
from course_lib.models.stochastic_depth import resnet110_stochastic_depth, stochastic_depth
from course_lib.models.table import table
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
    "plain20",
    "plain32",
    "plain44",
    "plain56",
    "plain110",
    "preresnet164",
    "preresnet1001",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet110_stochastic_depth",
    "resnet152",
    "resnet1202",
    "resnext29_8x64d",
    "resnext29_16x64d",
    "resnext29_32x4d",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "stochastic_depth",
    "table",
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
