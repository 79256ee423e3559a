"""MobileNets have the cost their papers print, and compute what pytorchcv's and torchvision's compute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from pytorchcv.models.mobilenet import get_mobilenet
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models._utils import _make_divisible

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models.mobilenet import divisible
from course_lib.profiling import count_parameters, profile

SIDE = 96  # pixels where 224 would show nothing more


def on_paper(name: str, **options: object) -> nn.Module:
    """A network without numbers in it: quick to build at full size."""
    with torch.device("meta"):
        return models.build(name, **options)


def peers_cost(build: Callable[[], nn.Module]) -> tuple[int, int]:
    """Parameters and multiply-adds of another library's network, counted by PyTorch."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build().eval()
        network(torch.empty(1, 3, 224, 224))
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2


def cost(network: nn.Module, image_size: int = 224) -> tuple[int, int]:
    return count_parameters(network), profile(network, image_size).multiply_adds


# ---- v1: the paper's tables ----------------------------------------------------------------------------------------

# Table 1: channels in and out, and the side after, of each pair of depthwise and pointwise convolution.
PAIRS = (
    (32, 64, 112),
    (64, 128, 56), (128, 128, 56),
    (128, 256, 28), (256, 256, 28),
    (256, 512, 14), *((512, 512, 14),) * 5,
    (512, 1024, 7), (1024, 1024, 7),
)  # fmt: skip
STEM, LINEAR = 3 * 3 * 3 * 32, 1024 * 1000


def test_v1_has_the_parameters_and_multiply_adds_of_table_1() -> None:
    norms = 2 * 32 + sum(2 * i + 2 * o for i, o, _ in PAIRS)
    parameters = STEM + sum(9 * i + i * o for i, o, _ in PAIRS) + norms + LINEAR + 1000
    multiply_adds = STEM * 112**2 + sum((9 * i + i * o) * side**2 for i, o, side in PAIRS) + LINEAR
    assert cost(on_paper("mobilenet_v1")) == (parameters, multiply_adds) == (4_231_976, 568_740_352)


@pytest.mark.parametrize(
    ("width", "image_size", "mega_multiply_adds", "mega_parameters"),
    [
        (1.0, 224, 569, 4.2),  # tables 6 and 7
        (0.75, 224, 325, 2.6),
        (0.5, 224, 149, 1.3),
        (0.25, 224, 41, 0.5),
        (1.0, 192, 418, 4.2),
        (1.0, 160, 290, 4.2),
        (1.0, 128, 186, 4.2),
    ],
)
def test_v1_costs_what_the_paper_prints_at_every_width_and_resolution(
    width: float, image_size: int, mega_multiply_adds: int, mega_parameters: float
) -> None:
    parameters, multiply_adds = cost(on_paper("mobilenet_v1", width=width), image_size)
    assert multiply_adds / 1e6 == pytest.approx(mega_multiply_adds, abs=1)  # 290.7 is printed as 290
    assert round(parameters / 1e6, 1) == mega_parameters


def test_table_2_prints_one_share_that_its_network_does_not_have() -> None:
    computed = {"1x1": 0.0, "depthwise": 0.0, "3x3": 0.0, "linear": 0.0}
    held = dict.fromkeys(computed, 0)
    network = on_paper("mobilenet_v1")
    total = profile(network)
    for layer in total.layers:
        module = network.get_submodule(layer.name)
        if isinstance(module, nn.Conv2d):
            kind = "depthwise" if module.groups > 1 else "1x1" if module.kernel_size == (1, 1) else "3x3"
        elif isinstance(module, nn.Linear):
            kind = "linear"
        else:
            continue
        computed[kind] += layer.multiply_adds / total.multiply_adds
        held[kind] += module.weight.numel()
    printed = {"1x1": 94.86, "depthwise": 3.06, "3x3": 1.19, "linear": 0.18}
    rounded = {kind: round(100 * share, 2) for kind, share in computed.items()}
    assert {kind for kind in printed if abs(rounded[kind] - printed[kind]) > 0.011} == {"3x3"}
    assert rounded["3x3"] == 1.91
    assert sum(printed.values()) == pytest.approx(99.29)
    # Of the parameters, without batch norm and biases.
    shares = {kind: round(100 * weights / sum(held.values()), 2) for kind, weights in held.items()}
    assert shares == {"1x1": 74.59, "depthwise": 1.06, "3x3": 0.02, "linear": 24.33}


def test_factorizing_saves_what_table_4_says() -> None:
    parameters, multiply_adds = cost(on_paper("mobilenet_v1", factorized=False))
    assert round(parameters / 1e6, 1) == 29.3
    assert round((multiply_adds - LINEAR) / 1e6) == 4866  # the paper's figure is without the linear layer's million


# ---- v1: parity with pytorchcv -------------------------------------------------------------------------------------


def pytorchcvs(ours: nn.Module, width: float) -> nn.Module:
    """pytorchcv's MobileNet with our weights, and a last pool that takes maps of any side."""
    theirs = get_mobilenet(width, num_classes=10).double().eval()
    theirs.features.final_pool = nn.AdaptiveAvgPool2d(1)
    values = ours.state_dict().values()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)), strict=True)
    return theirs


def difference(ours: nn.Module, theirs: nn.Module, x: Tensor) -> float:
    """Largest difference of the logits, relative to their size."""
    torch.manual_seed(3)  # for dropout
    with torch.no_grad():
        a = ours(x)
        torch.manual_seed(3)
        b = theirs(x)
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5, 0.25])
def test_v1_costs_and_computes_what_pytorchcvs_does(width: float, randomised: Callable, loud_images: Callable) -> None:
    assert cost(on_paper("mobilenet_v1", width=width)) == peers_cost(lambda: get_mobilenet(width))
    ours = randomised(models.mobilenet_v1(10, width=width))
    theirs = pytorchcvs(ours, width)
    assert difference(ours, theirs, loud_images(2, SIDE)) < 1e-12
    assert difference(ours, theirs, loud_images(1, 75)) < 1e-12  # odd sides, where the padding shows


def all_modules(kind: type[nn.Module], change: Callable[[nn.Module], object]) -> Callable[[nn.Module], object]:
    return lambda network: [change(module) for module in network.modules() if isinstance(module, kind)]


def replace(old: type[nn.Module], new: Callable[[], nn.Module]) -> Callable[[nn.Module], object]:
    def trap(network: nn.Module) -> None:
        for parent in network.modules():
            for name, child in parent.named_children():
                if isinstance(child, old):
                    setattr(parent, name, new())

    return trap


class Same(nn.Module):
    """A strided 3x3 convolution with TensorFlow's padding: of an even side nothing before, one after."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        conv.padding = (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


def norm_last(block: nn.Sequential) -> None:
    block[1], block[2] = block[2], block[1]


V1_TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "ReLU6": replace(nn.ReLU, nn.ReLU6),
    "TensorFlow's padding in the first layer": lambda n: n.features[0].__setitem__(0, Same(n.features[0][0])),
    "TensorFlow's padding in a depthwise layer": lambda n: n.features[6].depthwise.__setitem__(
        0, Same(n.features[6].depthwise[0])
    ),
    "last stride as printed": lambda n: setattr(n.features[13].depthwise[0], "stride", (2, 2)),
    "epsilon of 1e-3": all_modules(nn.BatchNorm2d, lambda m: setattr(m, "eps", 1e-3)),
    "no activation between the factors": lambda n: n.features[5].depthwise.__setitem__(2, nn.Identity()),
    "no activation after the pair": lambda n: n.features[5].pointwise.__setitem__(2, nn.Identity()),
    "norm after ReLU": lambda n: norm_last(n.features[3].depthwise),
    "maximum at the end": lambda n: setattr(n, "avgpool", nn.AdaptiveMaxPool2d(1)),
}


@pytest.mark.parametrize("trap", V1_TRAPS)
def test_parity_of_v1_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.mobilenet_v1(10, width=0.25))
    theirs = pytorchcvs(ours, 0.25)
    V1_TRAPS[trap](ours)
    assert difference(ours, theirs, loud_images(1, SIDE)) > 1e-6


# ---- v2 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [0.5, 1.0, 1.4, 0.35, 0.1])
def test_v2_costs_what_torchvisions_does_and_takes_its_weights(
    width: float, randomised: Callable, loud_images: Callable
) -> None:
    def torchvisions(**options: int) -> nn.Module:
        return torchvision.models.mobilenet_v2(width_mult=width, **options)

    assert cost(on_paper("mobilenet_v2", width=width)) == peers_cost(torchvisions)
    theirs = randomised(torchvisions(num_classes=10))
    ours = models.mobilenet_v2(10, width=width).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = loud_images(2, 75)
    assert difference(ours, theirs, x) < 1e-12
    assert difference(ours.train(), theirs.train(), x) < 1e-9  # dropout too


def test_v2_costs_what_the_paper_prints_but_for_the_parameters_at_width_1_4() -> None:
    # Table 4: 3.4M and 300M; 6.9M and 585M. The authors' own code gives 6.06M and 582M for the latter.
    assert cost(on_paper("mobilenet_v2")) == (3_504_872, 300_774_272)
    assert cost(on_paper("mobilenet_v2", width=1.4)) == (6_108_776, 582_195_824)


def shortcut_missing(network: nn.Module) -> None:
    network.features[3].has_shortcut = False


V2_TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "ReLU": replace(nn.ReLU6, nn.ReLU),
    "activation after the projection": lambda n: n.features[4].conv.append(nn.ReLU6()),
    "no activation after the expansion": lambda n: n.features[4].conv[0].__setitem__(2, nn.Identity()),
    "no activation after the depthwise convolution": lambda n: n.features[4].conv[1].__setitem__(2, nn.Identity()),
    "no activation at the end": lambda n: n.features[18].__setitem__(2, nn.Identity()),
    "shortcut missing": shortcut_missing,
    "epsilon of 1e-3": all_modules(nn.BatchNorm2d, lambda m: setattr(m, "eps", 1e-3)),
    "TensorFlow's padding": lambda n: n.features[4].conv[1].__setitem__(0, Same(n.features[4].conv[1][0])),
    "stride in the wrong block": lambda n: (
        setattr(n.features[2].conv[1][0], "stride", (1, 1)),
        setattr(n.features[3].conv[0][0], "stride", (2, 2)),
        shortcut_missing(n),
    ),
}


@pytest.mark.parametrize("trap", V2_TRAPS)
def test_parity_of_v2_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    theirs = randomised(torchvision.models.mobilenet_v2(num_classes=10, width_mult=0.5))
    ours = models.mobilenet_v2(10, width=0.5).double().eval()
    ours.load_state_dict(theirs.state_dict())
    V2_TRAPS[trap](ours)
    assert difference(ours, theirs, loud_images(1, SIDE)) > 1e-6


@given(channels=st.floats(0.1, 5000))
def test_channels_are_divisible_and_never_more_than_a_tenth_too_few(channels: float) -> None:
    rounded = divisible(channels)
    assert rounded % 8 == 0
    assert rounded >= max(8, 0.9 * channels)
    assert abs(rounded - channels) <= 4 or rounded == 8 or rounded - 8 < 0.9 * channels
    assert rounded == _make_divisible(channels, 8)


def test_rounding_to_the_nearest_would_take_more_than_a_tenth() -> None:
    assert divisible(32 * 0.35) == 16  # 11.2: 8 is nearer, and 29 % too few
    assert divisible(12) == 16  # halves go up
    assert divisible(1) == 8


def test_v2_keeps_its_last_channels_below_width_1_and_widens_them_above() -> None:
    last = {width: on_paper("mobilenet_v2", width=width).classifier[1].in_features for width in (0.25, 1.0, 1.4)}
    assert last == {0.25: 1280, 1.0: 1280, 1.4: 1792}


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
@pytest.mark.parametrize("width", [0.0, -1.0])
def test_no_width_is_answered_in_words(name: str, width: float) -> None:
    with pytest.raises(CourseError, match="channels"):
        models.build(name, width=width)


# ---- Forms for small images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "strides"), [("mobilenet_v1", 3), ("mobilenet_v2", 3)])
def test_small_form_skips_the_first_two_strides_and_no_layer(name: str, strides: int) -> None:
    full, small = on_paper(name, num_classes=10), on_paper(name, num_classes=10, image_size=32)
    assert {k: v.shape for k, v in full.state_dict().items()} == {k: v.shape for k, v in small.state_dict().items()}
    taken = [m.stride[0] for m in small.modules() if isinstance(m, nn.Conv2d)]
    papers = [m.stride[0] for m in full.modules() if isinstance(m, nn.Conv2d)]
    changed = [i for i, (a, b) in enumerate(zip(taken, papers, strict=True)) if a != b]
    assert changed == [i for i, stride in enumerate(papers) if stride == 2][:2]
    assert taken.count(2) == strides
    assert small.features(torch.empty(1, 3, 32, 32, device="meta")).shape[2:] == (4, 4)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_a_few_steps_lower_the_loss_and_every_parameter_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    network = models.build(name, num_classes=10, image_size=32, width=0.25)
    y = torch.arange(32) % 10
    x = 0.3 * torch.randn(32, 3, 32, 32) + torch.randn(10, 3, 1, 1)[y]  # v1 is slow to learn noise by heart
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(10):
        loss = F.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert sum(losses[-3:]) < 0.97 * sum(losses[:3])
