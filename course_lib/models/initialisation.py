"""How a network's weights start: the rules that several papers share, and the choice among a network's own.

Biases start at 0 in all of them, batch normalisation as the identity, as PyTorch has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import nn

from course_lib.errors import CourseError

Initialisation = Callable[[nn.Module], None]


def kaiming(network: nn.Module) -> None:
    """He et al. 2015, section 2.2: N(0, 2 / fan_in), so that each layer keeps the scale of its input.

    The last layer starts from N(0, 0.01^2): it has no ReLU to make up for, and from logits near 0 the first steps go
    into learning, not into taking back confident guesses.
    """
    *hidden, last = layers(network)
    for layer in hidden:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.normal_(last.weight, std=0.01)
    for layer in (*hidden, last):
        zero_bias(layer)


def gaussian(std: float) -> Initialisation:
    """N(0, std^2) in every layer, whatever its width."""

    def initialise(network: nn.Module) -> None:
        for layer in layers(network):
            nn.init.normal_(layer.weight, std=std)
            zero_bias(layer)

    return initialise


def apply(choices: Mapping[str, Initialisation], name: str, network: nn.Module) -> None:
    """Initialise `network` by the choice called `name`. Raises CourseError where there is none."""
    if name not in choices:
        raise CourseError(f"There is no initialisation {name!r} here. Use one of: {', '.join(choices)}.")
    choices[name](network)


def layers(network: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers, in the order in which they were built."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield module


def zero_bias(layer: nn.Conv2d | nn.Linear) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
