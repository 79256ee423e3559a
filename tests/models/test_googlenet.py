"""GoogLeNet is table 1 of its paper, row by row, and computes what torchvision's does once that is put right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.googlenet import Inception, InceptionAux

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models import registry
from course_lib.models.googlenet import Outputs, heads_loss
from course_lib.profiling import count_parameters, profile

SIDE = 96  # pixels where 224 would show nothing more


def on_paper(name: str, **options: object) -> nn.Module:
    """A network without numbers in it: quick to build at full size."""
    with torch.device("meta"):
        return models.build(name, **options)


# ---- Table 1 -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A row of table 1: its convolutions as (channels in, kernel, channels out), and what the paper prints."""

    modules: tuple[str, ...]
    side: int
    layers: tuple[tuple[int, int, int], ...]
    kilo_parameters: float
    mega_operations: int

    @property
    def weights(self) -> int:
        return sum(i * k * k * o for i, k, o in self.layers)

    @property
    def parameters(self) -> int:
        return self.weights + sum(o for *_, o in self.layers)

    @property
    def operations(self) -> int:
        return self.weights * self.side**2


def block(name: str, side: int, i: int, filters: tuple[int, ...], kilo_parameters: int, mega_operations: int) -> Row:
    c1, reduce3, c3, reduce5, c5, projection = filters
    three, five = ((i, 1, reduce3), (reduce3, 3, c3)), ((i, 1, reduce5), (reduce5, 5, c5))
    layers = ((i, 1, c1), *three, *five, (i, 1, projection))
    return Row((f"inception{name}",), side, layers, kilo_parameters, mega_operations)


TABLE_1 = (
    Row(("conv1",), 112, ((3, 7, 64),), 2.7, 34),
    Row(("conv2", "conv3"), 56, ((64, 1, 64), (64, 3, 192)), 112, 360),
    block("3a", 28, 192, (64, 96, 128, 16, 32, 32), 159, 128),
    block("3b", 28, 256, (128, 128, 192, 32, 96, 64), 380, 304),
    block("4a", 14, 480, (192, 96, 208, 16, 48, 64), 364, 73),
    block("4b", 14, 512, (160, 112, 224, 24, 64, 64), 437, 88),
    block("4c", 14, 512, (128, 128, 256, 24, 64, 64), 463, 100),
    block("4d", 14, 512, (112, 144, 288, 32, 64, 64), 580, 119),
    block("4e", 14, 528, (256, 160, 320, 32, 128, 128), 840, 170),
    block("5a", 7, 832, (256, 160, 320, 32, 128, 128), 1072, 54),
    block("5b", 7, 832, (384, 192, 384, 48, 128, 128), 1388, 71),
    Row(("fc",), 1, ((1024, 1, 1000),), 1000, 1),
)


@pytest.mark.parametrize("row", TABLE_1, ids=lambda row: row.modules[-1])
def test_each_row_has_the_parameters_multiply_adds_and_outputs_of_its_filters(row: Row) -> None:
    stages = {stage.name: stage for stage in profile(on_paper("googlenet")).stages.layers}
    found = [stages[name] for name in row.modules]
    assert sum(stage.parameters for stage in found) == row.parameters
    assert sum(stage.multiply_adds for stage in found) == row.operations
    if row.modules[-1] != "fc":
        assert found[-1].output_shape[2:] == (row.side, row.side)


def test_what_table_1_prints_follows_from_its_filters_but_for_these_rows() -> None:
    """Thousands of 1024, millions of 10^6, either rounded or cut off: right to 1 in the last place."""
    other_parameters = {r.modules[0] for r in TABLE_1 if abs(r.weights / 1024 - r.kilo_parameters) > 1}
    other_operations = {r.modules[0] for r in TABLE_1 if abs(r.operations / 1e6 - r.mega_operations) > 1}
    assert other_parameters == {"conv1", *(f"inception{name}" for name in ("4a", "4c", "4d", "4e", "5a", "5b"))}
    assert other_operations == {"conv1", "inception5a"}


def test_both_figures_of_the_first_row_are_a_separable_convolutions() -> None:
    separable = 7 * 7 * 3 * 8 + 24 * 64  # eight filters on each colour, then 1x1
    row = TABLE_1[0]
    assert f"{separable / 1e3:.1f}" == str(row.kilo_parameters)
    assert round(separable * row.side**2 / 1e6) == row.mega_operations


def test_the_whole_network_is_the_sum_of_its_rows_and_its_two_heads() -> None:
    network = on_paper("googlenet")
    heads = sum(128 * (seen + 1) + 1024 * (128 * 4 * 4 + 1) + 1000 * (1024 + 1) for seen in (512, 528))
    assert sum(row.parameters for row in TABLE_1) == 6_998_552
    assert count_parameters(network) == 6_998_552 + heads
    assert profile(network).multiply_adds == sum(row.operations for row in TABLE_1) == 1_582_671_872


def test_that_torchvisions_multiply_adds_match_the_papers_1_5_billion_is_a_coincidence() -> None:
    printed = sum(row.mega_operations for row in TABLE_1) * 1e6
    assert profile(on_paper("googlenet_bn")).multiply_adds / printed == pytest.approx(1, abs=0.005)
    assert profile(on_paper("googlenet")).multiply_adds / printed > 1.05


def test_googlenet_bn_has_torchvisions_parameters_and_multiply_adds() -> None:
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(init_weights=False).eval()
        with FlopCounterMode(display=False) as counter:
            theirs(torch.empty(1, 3, 224, 224))
    ours = on_paper("googlenet_bn")
    assert count_parameters(ours) == count_parameters(theirs) == 13_004_888
    assert profile(ours).multiply_adds == counter.get_total_flops() // 2 == 1_498_376_192


# ---- Parity with torchvision ---------------------------------------------------------------------------------------


class Convolution(nn.Module):
    """torchvision's block without its batch normalisation."""

    def __init__(self, in_channels: int, out_channels: int, **options: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, **options)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Block(Inception):
    """torchvision's block with 5x5 in place of its second 3x3."""

    def __init__(self, in_channels: int, *filters: int) -> None:
        super().__init__(in_channels, *filters, conv_block=Convolution)
        self.branch3[1] = Convolution(filters[3], filters[4], kernel_size=5, padding=2)


class Head(InceptionAux):
    """torchvision's head with the paper's pool."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__(in_channels, num_classes, Convolution, dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.fc1(self.conv(F.avg_pool2d(x, 5, 3)).flatten(1)))
        return self.fc2(self.dropout(x))


def corrected(ours: nn.Module, *, heads: bool = False) -> nn.Module:
    """torchvision's network made the paper's, with our weights."""
    theirs = torchvision.models.googlenet(
        num_classes=10, aux_logits=heads, init_weights=False, blocks=[Convolution, Block, Head], dropout=0.4
    )
    lrn = nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
    theirs.maxpool1 = nn.Sequential(theirs.maxpool1, lrn)
    theirs.maxpool2 = nn.Sequential(lrn, theirs.maxpool2)
    theirs.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    theirs.double().load_state_dict(ours.state_dict(), strict=True)
    return theirs.train(ours.training)


def difference(ours: nn.Module, theirs: nn.Module, x: Tensor) -> float:
    """Largest difference of any output, relative to its size; infinite where one of them cannot take `x`."""

    def outputs(network: nn.Module) -> list[Tensor]:
        torch.manual_seed(3)  # for dropout
        with torch.no_grad():
            out = network(x)
        return [out] if isinstance(out, Tensor) else list(out)

    try:
        pairs = list(zip(outputs(ours), outputs(theirs), strict=True))
    except RuntimeError:
        return float("inf")
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def test_googlenet_and_its_heads_compute_what_torchvisions_computes_once_corrected(
    randomised: Callable, loud_images: Callable
) -> None:
    ours = randomised(models.googlenet(10))
    theirs = corrected(ours, heads=True)
    assert difference(ours.train(), theirs.train(), loud_images(1)) < 1e-12


def test_googlenet_computes_what_torchvisions_computes_once_corrected(
    randomised: Callable, loud_images: Callable
) -> None:
    ours = randomised(models.googlenet(10, aux_logits=False))
    for side in (SIDE, 83):  # odd sides, where paddings and rounding show
        assert difference(ours, corrected(ours), loud_images(2, side)) < 1e-12


def swap(network: nn.Module, first: str, second: str) -> None:
    a, b = network.get_submodule(first), network.get_submodule(second)
    setattr(network, first, b)
    setattr(network, second, a)


def shrink(branch: nn.Sequential) -> None:
    """3x3 where the paper has 5x5: the middle of its weights."""
    conv = branch[1].conv
    conv.weight = nn.Parameter(conv.weight[:, :, 1:-1, 1:-1].clone())
    conv.padding = (1, 1)


TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "3x3 for 5x5": lambda n: shrink(n.inception4b.branch3),
    "fourth pool of 2": lambda n: setattr(n, "maxpool4", nn.MaxPool2d(2, 2, ceil_mode=True)),
    "pools that round down": lambda n: setattr(n.maxpool2, "ceil_mode", False),
    "pool padded on both sides": lambda n: setattr(n, "maxpool3", nn.MaxPool2d(3, 2, padding=1)),
    "first norm missing": lambda n: setattr(n, "lrn1", nn.Identity()),
    "second norm missing": lambda n: setattr(n, "lrn2", nn.Identity()),
    "second norm after the pool": lambda n: swap(n, "lrn2", "maxpool2"),
    "first norm before the pool": lambda n: swap(n, "lrn1", "maxpool1"),
    "alpha divided by the window": lambda n: setattr(n.lrn1, "alpha", 1e-4 / 5),
    "k of 1": lambda n: setattr(n.lrn2, "k", 1.0),
    "no ReLU in a reduction": lambda n: setattr(n.inception3a.branch2[0], "relu", nn.Identity()),
    "no ReLU behind a projection": lambda n: setattr(n.inception5b.branch4[1], "relu", nn.Identity()),
    "branches exchanged": lambda n: swap(n.inception4d, "branch3", "branch4"),
    "average pool in a block": lambda n: n.inception3b.branch4.__setitem__(0, nn.AvgPool2d(3, 1, 1)),
    "padding of 2 first": lambda n: setattr(n.conv1.conv, "padding", (2, 2)),
    "maximum at the end": lambda n: setattr(n, "avgpool", nn.AdaptiveMaxPool2d(1)),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_parity_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    ours = randomised(models.googlenet(10, aux_logits=False))
    theirs = corrected(ours)
    with torch.no_grad():
        TRAPS[trap](ours)
    assert difference(ours, theirs, loud_images(1, SIDE)) > 1e-6


HEAD_TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "pool to 4 x 4 by other windows": lambda h: setattr(h, "pool", nn.AdaptiveAvgPool2d(4)),
    "maximum": lambda h: setattr(h, "pool", nn.MaxPool2d(5, 3)),
    "no ReLU in the convolution": lambda h: setattr(h.conv, "relu", nn.Identity()),
    "no ReLU between the linear layers": lambda h: setattr(h, "relu", nn.Identity()),
    "dropout of 0.4": lambda h: setattr(h.dropout, "p", 0.4),
    "no trap": lambda h: None,
}


@pytest.mark.parametrize("trap", HEAD_TRAPS)
def test_parity_of_heads_sees_each_trap(trap: str, randomised: Callable) -> None:
    ours, theirs = models.googlenet(10).aux2, Head(528, 10, dropout=0.7).double()
    randomised(ours).train()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    HEAD_TRAPS[trap](ours)
    x = torch.randn(2, 528, 14, 14, generator=torch.Generator().manual_seed(4), dtype=torch.double)
    assert (difference(ours, theirs, x) > 1e-6) == (trap != "no trap")


@pytest.mark.parametrize("transform_input", [False, True])
def test_googlenet_bn_takes_torchvisions_weights_and_computes_the_same(
    transform_input: bool, randomised: Callable, loud_images: Callable
) -> None:
    theirs = randomised(
        torchvision.models.googlenet(num_classes=10, init_weights=False, transform_input=transform_input)
    )
    ours = models.googlenet_bn(10, transform_input=transform_input).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = loud_images(2, SIDE) / (25 if transform_input else 1)  # or the shift would be lost in rounding
    assert difference(ours, theirs, x) < 1e-12
    assert difference(ours.train(), theirs.train(), x) < 1e-9  # heads and dropout too; statistics of 18 numbers


BN_TRAPS: dict[str, Callable[[nn.Module], object]] = {
    "epsilon of 1e-5": lambda n: [setattr(m, "eps", 1e-5) for m in n.modules() if isinstance(m, nn.BatchNorm2d)],
    "fourth pool of 3": lambda n: setattr(n, "maxpool4", nn.MaxPool2d(3, 2, ceil_mode=True)),
    "local response norm": lambda n: setattr(n, "lrn1", nn.LocalResponseNorm(5)),
    "input shifted": lambda n: setattr(n, "transform_input", True),
    "dropout of the paper": lambda n: (n.train(), setattr(n.dropout, "p", 0.4)),
}


@pytest.mark.parametrize("trap", BN_TRAPS)
def test_parity_of_googlenet_bn_sees_each_trap(trap: str, randomised: Callable, loud_images: Callable) -> None:
    theirs = randomised(torchvision.models.googlenet(num_classes=10, init_weights=False))
    ours = models.googlenet_bn(10).double().eval()
    ours.load_state_dict(theirs.state_dict())
    BN_TRAPS[trap](ours)
    theirs.train(ours.training)
    assert difference(ours, theirs, loud_images(2, SIDE)) > 1e-6


# ---- Heads, options and forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_heads_answer_in_training_and_vanish_in_evaluation(name: str) -> None:
    network = models.build(name, num_classes=10, image_size=32, width=0.1)
    x = torch.randn(2, 3, 32, 32)
    outputs = network(x)
    assert isinstance(outputs, Outputs)
    assert [out.shape for out in outputs] == [(2, 10)] * 3
    assert isinstance(network.eval()(x), Tensor)
    without = models.build(name, num_classes=10, image_size=32, width=0.1, aux_logits=False)
    assert isinstance(without(x), Tensor)
    assert not [key for key in without.state_dict() if key.startswith("aux")]


def test_loss_counts_each_head_three_tenths() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = Outputs(*(torch.randn(4, 10, generator=generator) for _ in range(3)))
    labels = torch.tensor([1, 2, 3, 4])
    each = [-logits.log_softmax(1)[range(4), labels].mean() for logits in outputs]
    torch.testing.assert_close(heads_loss(outputs, labels), each[0] + 0.3 * each[1] + 0.3 * each[2])
    torch.testing.assert_close(heads_loss(outputs.logits, labels), each[0])


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_loss_reaches_every_parameter_and_falls(name: str) -> None:
    torch.manual_seed(0)
    network = models.build(name, num_classes=10, image_size=32, width=0.125)
    y = torch.arange(32) % 10
    x = 0.3 * torch.randn(32, 3, 32, 32) + torch.randn(10, 3, 1, 1)[y]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(10):
        loss = heads_loss(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert sum(losses[-3:]) < 0.97 * sum(losses[:3])


def test_small_form_keeps_the_tables_ratios_and_the_heads_their_4_x_4() -> None:
    network = on_paper("googlenet", num_classes=10, image_size=32)
    sides = {stage.name: stage.output_shape[-1] for stage in profile(network, 32).stages.layers if stage.output_shape}
    assert [sides[name] for name in ("maxpool2", "maxpool3", "maxpool4")] == [16, 8, 4]
    assert network.aux1.fc1.in_features == network.aux2.fc1.in_features == 128 * 4 * 4
    assert count_parameters(network) < count_parameters(on_paper("googlenet", num_classes=10))


@pytest.mark.parametrize("image_size", [8, 20, 32, 48, 64, 65, 79, 96, 128, 225, 299])
@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_heads_fit_images_of_every_size(name: str, image_size: int) -> None:
    network = on_paper(name, num_classes=10, image_size=image_size, width=0.25)
    assert len(network(torch.empty(2, 3, image_size, image_size, device="meta"))) == 3


def test_too_small_images_are_refused_in_words() -> None:
    with pytest.raises(CourseError, match="leaves nothing of images of 7 pixels"):
        models.googlenet(image_size=7)


def test_torchvisions_weights_come_with_the_input_they_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load_imagenet_weights", lambda *_: None)
    assert on_paper("googlenet_bn", weights="imagenet").transform_input
    assert not on_paper("googlenet_bn", weights="imagenet", transform_input=False).transform_input
    assert not on_paper("googlenet_bn").transform_input
