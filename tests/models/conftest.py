"""What makes a comparison with another implementation see every difference."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture
def randomised() -> Callable[[nn.Module], nn.Module]:
    """A function that gives a network random weights, biases and statistics, in float64 and evaluation mode.

    With default initialisation the logits are so small and biases so near zero that a wrong pool, constant or order
    changes them by less than rounding.
    """

    def randomise(network: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(1)
        network.double().eval()
        with torch.no_grad():
            for tensor in [*network.parameters(), *network.buffers()]:
                if tensor.is_floating_point():
                    fan_in = max(1, tensor[0].numel()) if tensor.dim() > 1 else 1
                    tensor.copy_(torch.randn(tensor.shape, generator=generator) * fan_in**-0.5)
            for module in network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
                    module.running_var.abs_().add_(0.1)
        return network

    return randomise


@pytest.fixture
def loud_images() -> Callable[..., Tensor]:
    """A function that makes images (count, 3, side, side) in float64, so loud that normalisation matters."""

    def images(count: int = 2, side: int = 224) -> Tensor:
        generator = torch.Generator().manual_seed(2)
        return 50 * torch.randn(count, 3, side, side, generator=generator, dtype=torch.double)

    return images
