"""What every residual network here shares: y = shortcut(x) + residual(x), after He et al. 2016.

Notable: the sum is formed in one place, `ResidualBlock.add`. That is where stochastic depth takes hold, so that it
changes neither a parameter nor a name. No ReLU works in place, so what a hook keeps of a batch norm stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import CourseError

if TYPE_CHECKING:
    from course_lib.models.stochastic_depth import Survival


class ResidualBlock(nn.Module):
    """Base of all residual blocks: a subclass forms its sum by `self.add(shortcut, residual, x)`.

    has_shortcut: False in a block of a residual network that has no sum, such as MobileNet v2's with a stride.
    """

    has_shortcut = True

    def __init__(self) -> None:
        super().__init__()
        self.survival: Survival | None = None  # course_lib.models.stochastic_depth sets it

    def add(self, shortcut: Tensor, residual: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """shortcut + residual(x); with stochastic depth the second term may be left out or scaled."""
        if self.survival is None:
            return shortcut + residual(x)
        return self.survival.add(shortcut, residual, x, self.training)

    def extra_repr(self) -> str:
        return "" if self.survival is None else str(self.survival)


def conv3x3(in_channels: int, channels: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Keeps the side (or divides it by `stride`). No bias: the batch norm behind it has one."""
    return nn.Conv2d(in_channels, channels, 3, stride, padding=1, groups=groups, bias=False)


def conv1x1(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 1, stride, bias=False)


class PaddedShortcut(nn.Module):
    """Option A: every `stride`-th pixel, and zeros for the channels that are missing. It has no parameters.

    The paper does not say where the zeros stand: behind the channels, as in its authors' later code
    (fb.resnet.torch). Maps (N, in_channels, H, W) to (N, channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.missing, self.stride = channels - in_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.missing))

    def extra_repr(self) -> str:
        return f"stride={self.stride}, zeros={self.missing}"


def projection(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """The 1x1 convolution with batch norm of options B and C."""
    return nn.Sequential(conv1x1(in_channels, channels, stride), nn.BatchNorm2d(channels))


def make_shortcut(option: str, in_channels: int, channels: int, stride: int) -> nn.Module | None:
    """The shortcut of He et al. 2016, section 4.1; None where it is the identity.

    option: "A" pads with zeros where the shape changes, "B" projects there, "C" projects everywhere.
    Raises CourseError for another option.
    """
    if option not in ("A", "B", "C"):
        raise CourseError(
            f'There is no shortcut {option!r}. Use "A" (zeros), "B" (projections where the shape changes) '
            'or "C" (projections everywhere).'
        )
    if option != "C" and stride == 1 and in_channels == channels:
        return None
    return (PaddedShortcut if option == "A" else projection)(in_channels, channels, stride)


def initialise(network: nn.Module) -> None:
    """He et al. 2015: convolutions keep the variance of the gradients (fan out, as in fb.resnet.torch and torchvision).

    Batch norms start at weight 1 and bias 0, which is PyTorch's default, and so does the linear layer's.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
