"""The questions of lesson 02, AlexNet: references, random inputs, and the mistakes people make.

Inputs are drawn so that each known mistake changes every answer: a stride that does not divide, a padding that counts,
activations large enough for the normalisation to bite. An answer is then wrong everywhere or right everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.cases import Case
from course_lib.exercises.judging import Tolerance
from course_lib.exercises.specification import Exercise, Mistake

T = TypeVar("T")

# --- 2.1 output size ------------------------------------------------------------------------------------------------


def output_size(input_size: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Side in pixels of what a convolution or a pooling layer puts out, for a square input of side `input_size`."""
    return (input_size + 2 * padding - kernel_size) // stride + 1


# --- 2.2 layer cost -------------------------------------------------------------------------------------------------


def layer_cost(
    in_channels: int, out_channels: int, kernel_size: int, output_size: int, groups: int = 1, bias: bool = True
) -> tuple[int, int]:
    """Parameters, and multiply-adds for one image, of a convolution with a square kernel and a square output."""
    weights = out_channels * (in_channels // groups) * kernel_size**2
    return weights + (out_channels if bias else 0), weights * output_size**2


# --- 2.3 local response normalisation -------------------------------------------------------------------------------


def local_response_norm(x: Tensor, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75) -> Tensor:
    """Divide each activation by a power of the sum of squares of its `n` neighbours along the channels.

    x: (N, C, H, W), and so is the result; n is odd. Krizhevsky et al. 2012, section 3.3: alpha is not divided by n.
    """
    channels = x.shape[1]
    squares = F.pad(x.square(), (0, 0, 0, 0, n // 2, n // 2))
    sums = sum(squares[:, shift : shift + channels] for shift in range(n))
    return x / (k + alpha * sums) ** beta


# --- 2.4 the feature extractor --------------------------------------------------------------------------------------


class FeatureExtractor(nn.Module):
    """AlexNet up to its last pooling layer: (N, 3, H, W) to (N, channels[4], H', W'); 224 becomes 6.

    Krizhevsky et al. 2012, section 3.5. Layers with weights are named conv1 ... conv5.
    """

    def __init__(self, channels: Sequence[int] = (96, 256, 384, 384, 256)):
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.conv1 = nn.Conv2d(3, c1, 11, stride=4, padding=2)
        self.conv2 = nn.Conv2d(c1, c2, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1, groups=2)
        # PyTorch divides alpha by the window, the paper does not: 5 * 1e-4.
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        self.pool = nn.MaxPool2d(3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.norm(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        return self.pool(F.relu(self.conv5(x)))


# --- 2.5 top-k error ------------------------------------------------------------------------------------------------


def top_k_error(logits: Tensor, labels: Tensor, k: int = 5) -> float:
    """Fraction of images, in [0, 1], whose label is not among the k largest logits.

    logits: (N, C), labels: (N,) int64.
    """
    best = logits.topk(k, dim=1).indices
    return 1 - (best == labels[:, None]).any(dim=1).double().mean().item()


# --- what people get wrong ------------------------------------------------------------------------------------------


def _size(formula: Callable[..., int]) -> Callable[..., int]:
    """A wrong `output_size` from its formula in input size, kernel, stride and padding."""
    return lambda input_size, kernel_size, stride=1, padding=0: formula(input_size, kernel_size, stride, padding)


STEPS_NOT_POSITIONS = (
    "You count steps, not positions: the kernel also lands before its first step. Add that 1 after dividing."
)
SIZE_MISTAKES = (
    Mistake(
        _size(lambda i, k, s, p: -(-(i + 2 * p - k) // s) + 1),
        "A kernel that would hang over the edge does not count: round down, with `//`.",
    ),
    Mistake(
        _size(lambda i, k, s, p: (i + 2 * p - k) // s),
        STEPS_NOT_POSITIONS,
    ),
    Mistake(
        _size(lambda i, k, s, p: (i + p - k) // s + 1),
        "Padding is added on both sides of the picture, so it counts twice.",
    ),
    Mistake(_size(lambda i, k, s, p: (i - k) // s + 1), "The padding is left out."),
    Mistake(
        _size(lambda i, k, s, p: (i + 2 * p) // s),
        "The kernel's own size is left out: a larger kernel has fewer places to land.",
    ),
    Mistake(_size(lambda i, k, s, p: i + 2 * p - k + 1), "The stride is left out."),
    Mistake(
        _size(lambda i, k, s, p: (i + 2 * p - k + 1) // s),
        STEPS_NOT_POSITIONS,
    ),
)


def _cost(weights: Callable[..., int], biases: Callable[..., int], uses: Callable[..., int]) -> Callable[..., Any]:
    """A wrong `layer_cost` from its numbers of weights, of biases, and of multiply-adds (given both and the output)."""

    def cost(
        in_channels: int, out_channels: int, kernel_size: int, output_size: int, groups: int = 1, bias: bool = True
    ) -> tuple[int, int]:
        w, b = weights(in_channels, out_channels, kernel_size, groups), biases(out_channels, bias)
        return w + b, uses(w, b, output_size)

    return cost


def _weights(i: int, o: int, k: int, g: int) -> int:
    return o * (i // g) * k * k


def _biases(o: int, bias: bool) -> int:
    return o * bias


def _uses(w: int, b: int, s: int) -> int:
    return w * s * s


COST_MISTAKES = (
    Mistake(
        _cost(lambda i, o, k, g: o * i * k * k, _biases, _uses),
        "The groups are left out: each kernel reads `in_channels / groups` channels.",
    ),
    Mistake(
        _cost(lambda i, o, k, g: (o // g) * (i // g) * k * k, _biases, _uses),
        "Divide by the groups once: each kernel reads fewer channels, but there are still `out_channels` kernels.",
    ),
    Mistake(
        _cost(lambda i, o, k, g: o * (i // g) * k, _biases, _uses),
        "The kernel is square: `kernel_size` appears squared.",
    ),
    Mistake(
        _cost(_weights, _biases, lambda w, b, s: w * s),
        "The output is square: the kernel lands in `output_size` times `output_size` places.",
    ),
    Mistake(
        _cost(_weights, _biases, lambda w, b, s: (w + b) * s * s),
        "A bias is added, not multiplied: it is a parameter, but no multiply-add.",
    ),
    Mistake(
        _cost(_weights, _biases, lambda w, b, s: 2 * w * s * s),
        "A multiplication and the addition after it count as one multiply-add, not as two operations.",
    ),
    Mistake(
        _cost(_weights, lambda o, bias: 0, _uses),
        "The biases are missing: one for each output channel, where `bias` is true.",
    ),
    Mistake(_cost(_weights, lambda o, bias: o, _uses), "You count biases where `bias` is false."),
    Mistake(
        _cost(_weights, lambda o, bias: int(bias), _uses),
        "There is a bias for each output channel, not one for the layer.",
    ),
)


def _norm(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A wrong `local_response_norm` from its formula."""
    return lambda x, n=5, k=2.0, alpha=1e-4, beta=0.75: formula(x, n, k, alpha, beta)


def _one_sided(x: Tensor, n: int) -> Tensor:
    padded = F.pad(x.square(), (0, 0, 0, 0, n - 1, 0))
    return torch.stack([padded[:, shift : shift + x.shape[1]] for shift in range(n)]).sum(dim=0)


def _around_the_corner(x: Tensor, n: int) -> Tensor:
    return torch.stack([x.square().roll(shift, dims=1) for shift in range(-(n // 2), n // 2 + 1)]).sum(dim=0)


NORM_MISTAKES = (
    Mistake(
        _norm(lambda x, n, k, alpha, beta: local_response_norm(x, n, k, alpha / n, beta)),
        "This is PyTorch's formula, which divides alpha by n. The paper's does not.",
    ),
    Mistake(
        _norm(lambda x, n, k, alpha, beta: x / (k + alpha * x.square()) ** beta),
        "You divide by each channel's own square only: sum over its neighbours too.",
    ),
    Mistake(
        _norm(lambda x, n, k, alpha, beta: x / (k + alpha * x.square().sum(dim=1, keepdim=True)) ** beta),
        "You sum over all channels: only those at most n // 2 away count.",
    ),
    Mistake(
        _norm(lambda x, n, k, alpha, beta: x / (k + alpha * n * n * F.avg_pool2d(x.square(), n, 1, n // 2)) ** beta),
        "You sum over neighbouring pixels. The window lies along the channels, at one pixel.",
    ),
    Mistake(
        _norm(lambda x, n, k, alpha, beta: x / (k + alpha * _around_the_corner(x, n)) ** beta),
        "The first channel is no neighbour of the last: the window is cut off at both ends (`roll` wraps around).",
    ),
    Mistake(
        _norm(lambda x, n, k, alpha, beta: local_response_norm(x.abs().sqrt(), n, k, alpha, beta) * x / x.abs().sqrt()),
        "The sum is over squared activations.",
    ),
    Mistake(
        _norm(lambda x, n, k, alpha, beta: local_response_norm(x, 2 * n + 1, k, alpha, beta)),
        "The window holds n channels in all: n // 2 on either side.",
    ),
    Mistake(_norm(lambda x, n, k, alpha, beta: local_response_norm(x, n, k, alpha, 1.0)), "The power beta is missing."),
    Mistake(
        _norm(lambda x, n, k, alpha, beta: x / (k + alpha * _one_sided(x, n)) ** beta),
        "The window is centred: as many channels after as before.",
    ),
)


class _Variant(FeatureExtractor):
    """FeatureExtractor with what follows each convolution as letters: r(ectify), n(ormalise), p(ool), - (nothing)."""

    order = "rnp rnp r r rp"

    def forward(self, x: Tensor) -> Tensor:
        steps: dict[str, Callable[[Tensor], Tensor]] = {"r": F.relu, "n": self.norm, "p": self.pool, "-": nn.Identity()}
        convolutions = (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5)
        for convolution, letters in zip(convolutions, self.order.split(), strict=True):
            x = convolution(x)
            for letter in letters:
                x = steps[letter](x)
        return x


def _extractor(order: str = _Variant.order, **layers: nn.Module) -> type[nn.Module]:
    """A wrong FeatureExtractor: another order, or other layers under the same names."""

    class Wrong(_Variant):
        def __init__(self, channels: Sequence[int] = (96, 256, 384, 384, 256)):
            super().__init__(channels)
            self.order = order
            for name, layer in layers.items():
                setattr(self, name, layer)

    return Wrong


class _WithoutGroups(FeatureExtractor):
    def __init__(self, channels: Sequence[int] = (96, 256, 384, 384, 256)):
        super().__init__(channels)
        c1, c2, c3, c4, c5 = channels
        self.conv2 = nn.Conv2d(c1, c2, 5, padding=2)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1)


EXTRACTOR_MISTAKES = (
    Mistake(_WithoutGroups, "Convolutions 2, 4 and 5 see only their own tower: `groups=2`."),
    Mistake(
        _extractor(norm=nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)),
        "nn.LocalResponseNorm divides alpha by the window: give it 5 times the paper's 1e-4.",
    ),
    Mistake(
        _extractor(norm=nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75)),
        "nn.LocalResponseNorm has k=1 unless told; the paper's k is 2.",
    ),
    Mistake(_extractor(norm=nn.LocalResponseNorm(5)), "nn.LocalResponseNorm's defaults are not the paper's constants."),
    Mistake(_extractor(pool=nn.MaxPool2d(2)), "Pooling overlaps here: windows of 3 pixels, 2 pixels apart."),
    Mistake(_extractor(pool=nn.AvgPool2d(3, 2)), "The paper pools by the maximum, not by the mean."),
    Mistake(_extractor("rpn rpn r r rp"), "AlexNet normalises before it pools; the other order is ZFNet's (lesson 3)."),
    Mistake(_extractor("nrp nrp r r rp"), "Rectify first, then normalise (section 3.3 of the paper)."),
    Mistake(_extractor("rp rp r r rp"), "Response normalisation is missing after convolutions 1 and 2."),
    Mistake(_extractor("rnp rnp r r p"), "Convolution 5 is rectified too, before the last pooling."),
    Mistake(_extractor("rnp rnp r r r"), "The last pooling, after convolution 5, is missing."),
    Mistake(_extractor("rnp rnp rn rn rnp"), "Only convolutions 1 and 2 are followed by normalisation."),
    Mistake(_extractor("rnp rnp - - rp"), "Every convolution is followed by a ReLU."),
)


def _miss(hits: Tensor) -> float:
    return 1 - hits.double().mean().item()


TOP_K_MISTAKES = (
    Mistake(
        lambda logits, labels, k=5: 1 - top_k_error(logits, labels, k),
        "This is the accuracy, the fraction of hits. The error is the fraction of misses.",
    ),
    Mistake(
        lambda logits, labels, k=5: top_k_error(logits, labels, 1),
        "Only the best guess counts here; any of the k best may be right.",
    ),
    Mistake(
        lambda logits, labels, k=5: top_k_error(-logits, labels, k),
        "These are the k smallest logits: sort in descending order.",
    ),
    Mistake(
        lambda logits, labels, k=5: 100 * top_k_error(logits, labels, k),
        "A fraction between 0 and 1 is asked for, not a percentage.",
    ),
    Mistake(
        lambda logits, labels, k=5: top_k_error(logits, labels, k) * len(labels),
        "This is the number of misses: divide by the number of images.",
    ),
    Mistake(
        lambda logits, labels, k=5: _miss(logits.topk(k, dim=1).indices[:, -1] == labels),
        "You look at the k-th guess alone; a hit among the first k counts.",
    ),
    Mistake(
        lambda logits, labels, k=5: _miss(logits.topk(k, dim=1).indices == labels[:, None]),
        "You average over all k guesses of an image, of which at most one hits. First ask of each image whether any "
        "guess hits, then average over images.",
    ),
    Mistake(lambda logits, labels, k=5: top_k_error(logits, labels, k + 1), "You allow k + 1 guesses."),
)


# --- random inputs --------------------------------------------------------------------------------------------------


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    """Between `low` and `high`, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def _pick(generator: torch.Generator, choices: Sequence[T]) -> T:
    return choices[_integer(generator, 0, len(choices) - 1)]


def _telling(draw: Callable[[], Case], right: Callable[..., Any], mistakes: Sequence[Mistake]) -> Case:
    """The first case drawn on which no mistake gives the right answer, and no two of different words the same."""
    while True:
        case = draw()
        expected = right(*case.arguments, **case.keywords)
        wrong = {(mistake.wrong(*case.arguments, **case.keywords), mistake.words) for mistake in mistakes}
        answers = {answer for answer, _ in wrong}
        if expected not in answers and len(answers) == len(wrong):
            return case


def _size_cases(generator: torch.Generator) -> list[Case]:
    def draw() -> Case:
        kernel = _integer(generator, 2, 11)
        sizes = _integer(generator, 20, 256), kernel
        return Case.call(*sizes, stride=_integer(generator, 2, 5), padding=_integer(generator, 1, kernel // 2 + 1))

    return [_telling(draw, output_size, SIZE_MISTAKES) for _ in range(10)]


def _cost_cases(generator: torch.Generator) -> list[Case]:
    """Eight with biases, where forgetting them shows, and two without, where counting them does."""

    def draw(bias: bool) -> Case:
        groups = _integer(generator, 2, 8)
        channels = groups * _integer(generator, 2, 40), groups * _integer(generator, 2, 40)
        return Case.call(*channels, _integer(generator, 2, 11), _integer(generator, 2, 56), groups=groups, bias=bias)

    return [draw(bias=number % 5 != 4) for number in range(10)]


def _norm_cases(generator: torch.Generator) -> list[Case]:
    """Activations between -40 and 40 against alphas around 0.01: the sum is then as large as k."""

    def draw() -> Case:
        n = _pick(generator, (3, 5, 7))
        shape = [_integer(generator, low, high) for low, high in ((1, 3), (n + 1, 16), (4, 7), (4, 7))]
        x = 15 * torch.randn(shape, generator=generator)
        k, alpha, beta = (low + span * _uniform(generator) for low, span in ((1.0, 2.0), (2e-3, 2e-2), (0.4, 0.5)))
        return Case.call(x, n=n, k=k, alpha=alpha, beta=beta)

    return [draw() for _ in range(8)]


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


# Sides on which every pooling window ends at the edge (rounding up is no mistake), and 2 x 2 pixels are left: of one
# pixel, the largest of nine, a missing last ReLU would hardly show.
EXTRACTOR_SIDES = (95, 96, 97, 98)


def _extractor_cases(generator: torch.Generator) -> list[Case]:
    """Inputs around 300, so that normalisation divides by more than a constant, as the paper's 0 to 255 made it do."""

    def draw() -> Case:
        side = _pick(generator, EXTRACTOR_SIDES)
        channels = tuple(4 * _integer(generator, 2, 6) for _ in range(5))
        x = 300 * torch.randn((2, 3, side, side), generator=generator)
        return Case.module(x, channels=channels)

    return [draw() for _ in range(4)]


def _top_k_cases(generator: torch.Generator) -> list[Case]:
    """Scores that favour the label somewhat, so that neither all nor none of the first k guesses hit."""

    def draw() -> Case:
        images, classes = _integer(generator, 30, 90), _integer(generator, 12, 60)
        k = _integer(generator, 2, 8)
        labels = torch.randint(classes, (images,), generator=generator)
        logits = torch.randn((images, classes), generator=generator)
        logits[torch.arange(images), labels] += 1.2
        return Case.call(logits, labels, k=k)

    return [_telling(draw, top_k_error, TOP_K_MISTAKES) for _ in range(10)]


# --- the questions --------------------------------------------------------------------------------------------------

EXERCISES = (
    Exercise(
        name="alexnet.output_size",
        title="Output size",
        points=3,
        hints=(
            "Padding adds pixels on both sides. How long is the padded row?",
            "The kernel's left edge starts at 0 and goes no further than the padded size minus the kernel size. "
            "How many steps of `stride` fit in between?",
            "Positions are steps plus one: `(input_size + 2 * padding - kernel_size) // stride + 1`.",
        ),
        answer="output_size",
        reference=output_size,
        cases=_size_cases,
        mistakes=SIZE_MISTAKES,
    ),
    Exercise(
        name="alexnet.layer_cost",
        title="What a layer costs",
        points=4,
        hints=(
            "One kernel first: how many channels does it read when they are shared out over `groups`? "
            "How many weights has it then?",
            "There are `out_channels` kernels, and one bias for each of them.",
            "Each weight is used once for every position of the output, and there are `output_size ** 2` positions. "
            "Adding a bias multiplies nothing.",
        ),
        answer="layer_cost",
        reference=layer_cost,
        cases=_cost_cases,
        mistakes=COST_MISTAKES,
    ),
    Exercise(
        name="alexnet.local_response_norm",
        title="Local response normalisation",
        points=5,
        hints=(
            "Square first, then sum over a window of n channels. Zeros beyond the first and the last channel change no "
            "sum, so pad with them.",
            "`F.pad(squares, (0, 0, 0, 0, n // 2, n // 2))` pads the channels: pairs count from the last dimension.",
            "With the padded squares, channel i's window is `padded[:, i : i + n]`. Summing n slices of C channels, "
            "each shifted by one, gives all windows at once.",
        ),
        answer="local_response_norm",
        reference=local_response_norm,
        cases=_norm_cases,
        mistakes=NORM_MISTAKES,
    ),
    Exercise(
        name="alexnet.feature_extractor",
        title="The feature extractor",
        points=5,
        hints=(
            "Write the five convolutions from the table first; only conv1 has a stride. A padding of half the kernel, "
            "rounded down, keeps the size of the others. Conv1 has the padding that turns 224 into 55.",
            "The two towers are `groups=2` in conv2, conv4 and conv5. Conv3 reads both.",
            "After conv1 and conv2: ReLU, normalisation, pooling, in this order. After conv3 and conv4: ReLU alone. "
            "After conv5: ReLU and pooling. If you use `nn.LocalResponseNorm`, remember what section 5 found about "
            "its alpha.",
        ),
        answer="FeatureExtractor",
        reference=FeatureExtractor,
        cases=_extractor_cases,
        tolerance=Tolerance(relative=1e-3, absolute=1e-4),
        mistakes=EXTRACTOR_MISTAKES,
    ),
    Exercise(
        name="alexnet.top_k_error",
        title="Top-k error",
        points=3,
        hints=(
            "`logits.topk(k, dim=1).indices` has the k best classes of each image, (N, k).",
            "Compare them with `labels[:, None]`, (N, 1): which dimension does `.any(dim=...)` reduce?",
            "The mean of the hits is the accuracy. `.item()` makes a plain number of a tensor.",
        ),
        answer="top_k_error",
        reference=top_k_error,
        cases=_top_k_cases,
        mistakes=TOP_K_MISTAKES,
    ),
)
