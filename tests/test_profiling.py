"""A profile counts what PyTorch counts, adds up, names what does not fit, and leaves the network as it was."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from course_lib import profiling
from course_lib.errors import CourseError
from course_lib.profiling import count_parameters, latency, multiply_adds, profile


def counted_by_pytorch(network: nn.Module, *shape: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(shape))
    return counter.get_total_flops() // 2


class Residual(nn.Module):
    """What makes counting hard: a block run twice, tied weights, an own parameter, a product outside any layer."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(3, 1, 1))
        self.mix = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.mix.weight
        self.spare = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scale * (x + self.block(self.block(x)))
        return self.tied(self.mix(x @ x.transpose(2, 3)))


class Attention(nn.Module):
    """Products of matrices that no layer holds, and an output in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 2, 2)

    def forward(self, x: Tensor) -> dict[str, list[Tensor]]:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        return {"logits": [F.scaled_dot_product_attention(tokens, tokens, tokens)]}


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(8 * 4 * 4, 10),
    )


# ---- Counts --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 4]),
    per_group=st.integers(1, 3),
    out_per_group=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    bias=st.booleans(),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    batch=st.integers(1, 3),
)
def test_a_convolution_costs_what_the_formula_and_pytorch_say(
    groups: int,
    per_group: int,
    out_per_group: int,
    kernel: tuple[int, int],
    stride: int,
    padding: int,
    bias: bool,
    size: tuple[int, int],
    batch: int,
) -> None:
    c_in, c_out = groups * per_group, groups * out_per_group
    network = nn.Sequential(nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=bias))
    (layer,) = profile(network, (c_in, *size), batch_size=batch).layers
    height, width = ((n + 2 * padding - k) // stride + 1 for n, k in zip(size, kernel, strict=True))
    weights = kernel[0] * kernel[1] * per_group * c_out
    assert layer.output_shape == (batch, c_out, height, width)
    assert layer.parameters == weights + bias * c_out
    assert layer.multiply_adds == weights * height * width * batch
    assert layer.multiply_adds == counted_by_pytorch(network, batch, c_in, *size)
    assert layer.activations == batch * c_out * height * width


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (Residual, (3, 8, 8)),
        (lambda: nn.Linear(7, 5), (7,)),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ConvTranspose2d(4, 2, 3, 2)), (2, 9, 9)),
        (Attention, (3, 8, 8)),
    ],
    ids=["residual", "a bare layer", "transposed", "attention"],
)
def test_any_network_adds_up_to_pytorchs_count_and_to_its_parameters(build: type, shape: tuple[int, ...]) -> None:
    network = build().eval()
    result = profile(network, shape)
    assert result.multiply_adds == counted_by_pytorch(network, 1, *shape) == multiply_adds(network, shape)
    assert result.parameters == count_parameters(network)


def test_shared_and_repeated_modules_are_counted_as_they_run() -> None:
    layers = {layer.name: layer for layer in profile(Residual(), (3, 8, 8)).layers}
    assert layers["block.0"].parameters == 3 * 3 * 9 + 3
    assert layers["block.0"].multiply_adds == 2 * 3 * 3 * 9 * 64
    assert layers["block.0"].activations == 2 * 3 * 64
    assert (layers["mix"].parameters, layers["tied"].parameters) == (72, 8)
    assert (layers["Residual"].parameters, layers["Residual"].multiply_adds) == (3, 3 * 8 * 8 * 8)
    assert (layers["spare"].parameters, layers["spare"].output_shape) == (12, ())


def test_a_container_with_a_parameter_does_not_count_its_layers_output_again() -> None:
    class Scaled(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(4, 3))
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            return self.scale * super().forward(x)

    result = profile(Scaled(), (4,))
    assert [(layer.name, layer.parameters) for layer in result.layers] == [("Scaled", 1), ("0", 15)]
    assert result.activations == 3


def test_layers_stand_in_the_order_in_which_they_run(network: nn.Sequential) -> None:
    result = profile(network, 8)
    assert [layer.name for layer in result.layers] == ["0.0", "0.1", "0.2", "0.3", "1", "2", "3"]
    assert result.layers[0].kind == "Conv2d"
    assert result.layers[-1].output_shape == (1, 10)
    assert result.input_shape == (1, 3, 8, 8)


def test_a_batch_costs_as_many_times_its_images(network: nn.Sequential) -> None:
    one, five = profile(network, 8), profile(network, 8, batch_size=5)
    assert five.multiply_adds == 5 * one.multiply_adds
    assert five.activations == 5 * one.activations
    assert five.parameters == one.parameters


def test_a_network_without_numbers_is_counted_too() -> None:
    with torch.device("meta"):
        network = nn.Conv2d(3, 96, 11, 4, 2)
    assert multiply_adds(network, 224) == 96 * 363 * 55 * 55


# ---- Shares and stages ---------------------------------------------------------------------------------------------


def test_shares_sum_to_one_for_each_quantity(network: nn.Sequential) -> None:
    result = profile(network, 8, time=True)
    for quantity in profiling.QUANTITIES:
        assert sum(result.shares(quantity).values()) == pytest.approx(1)
    assert result.shares("parameters")["3"] == 1290 / count_parameters(network)


def test_stages_keep_the_totals(network: nn.Sequential) -> None:
    result = profile(network, 8, time=True)
    stages = result.stages
    assert [stage.name for stage in stages.layers] == ["0", "1", "2", "3"]
    assert (stages.layers[0].kind, stages.layers[3].kind) == ("4 layers", "Linear")
    for quantity in ("parameters", "multiply_adds", "activations"):
        assert getattr(stages, quantity) == getattr(result, quantity)
    assert stages.milliseconds == pytest.approx(result.milliseconds)


def test_shares_of_nothing_and_of_the_unknown_are_answered(network: nn.Sequential) -> None:
    assert profile(nn.Sequential(nn.ReLU()), 8).shares("multiply_adds") == {"0": 0.0}
    with pytest.raises(CourseError, match=r"no 'flops'.*multiply_adds"):
        profile(network, 8).shares("flops")
    with pytest.raises(CourseError, match="time=True"):
        profile(network, 8).shares("milliseconds")


# ---- What it leaves behind -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [profile, latency, lambda n, s: profile(n, s, time=True)])
def test_modes_buffers_gradients_hooks_and_random_numbers_stay(network: nn.Sequential, measure: object) -> None:
    network.train()
    network[0].eval()
    F.cross_entropy(network(torch.rand(2, 3, 8, 8)), torch.zeros(2, dtype=torch.long)).backward()
    modes = [module.training for module in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    gradients = [p.grad.clone() for p in network.parameters()]
    random_state = torch.get_rng_state()
    measure(network, 8)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert all(torch.equal(p.grad, before) for p, before in zip(network.parameters(), gradients, strict=True))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.is_grad_enabled()


def test_even_a_network_that_draws_and_counts_while_it_runs_is_left_alone() -> None:
    class Restless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return F.dropout(x, training=True)

    network, random_state = Restless(), torch.get_rng_state()
    profile(network, 8, time=True)
    assert network.calls == 0
    assert torch.equal(torch.get_rng_state(), random_state)


def test_runs_in_evaluation_mode_without_gradients(network: nn.Sequential) -> None:
    seen = []
    network.register_forward_hook(lambda module, *_: seen.append((module.training, torch.is_grad_enabled())))
    profile(network.train(), 8, time=True)
    latency(network, 8)
    assert set(seen) == {(False, False)}


def test_a_failure_leaves_the_network_alone_too(network: nn.Sequential) -> None:
    with pytest.raises(CourseError):
        profile(network, 16)
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


# ---- What does not fit ---------------------------------------------------------------------------------------------


def test_the_layer_that_does_not_fit_is_named_with_what_it_got(network: nn.Sequential) -> None:
    with pytest.raises(CourseError, match=r"\(1, 3, 16, 16\).*layer '3' \(Linear.* got \(1, 512\)"):
        profile(network, 16)
    with pytest.raises(CourseError, match=r"layer '0.0' \(Conv2d.* got \(1, 4, 8, 8\)"):
        latency(network, (4, 8, 8))
    with pytest.raises(CourseError, match="at least 1"):
        profile(network, 0)


# ---- Times and tables ----------------------------------------------------------------------------------------------


def test_times_are_measured_when_asked_for(network: nn.Sequential) -> None:
    assert profile(network, 8).milliseconds is None
    timed = profile(network, 8, batch_size=4, time=True)
    assert all(layer.milliseconds is not None and layer.milliseconds >= 0 for layer in timed.layers)
    assert timed.milliseconds > 0
    assert latency(network, (8, 8), batch_size=4, repeats=3) > 0


def test_a_layers_time_is_its_own_and_the_median_of_the_passes_after_warming_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clock that ticks once a reading, two a leaf; ticks are long while warming up and in one more pass."""
    network = nn.Sequential(nn.Sequential(nn.ReLU(), nn.ReLU()), nn.ReLU())
    readings_a_pass = 2 * len(list(network.modules()))
    slow = {*range(profiling.WARM_UP), profiling.WARM_UP + 2}
    ticks = (1000.0 if n // readings_a_pass in slow else 1.0 for n in range(100_000))
    clock = itertools.accumulate(ticks)
    monkeypatch.setattr(profiling, "_stopwatch", lambda device: lambda: next(clock))
    assert [layer.milliseconds for layer in profile(network, 8, time=True).layers] == [1.0, 1.0, 1.0]


def test_the_table_shows_layers_and_totals_in_text_and_in_html(network: nn.Sequential) -> None:
    result = profile(network, 8, time=True)
    for table in (repr(result), result._repr_html_()):
        assert "Conv2d" in table
        assert f"{result.multiply_adds:,}" in table
        assert f"{result.parameters:,}" in table
        assert "1 × 8 × 8 × 8" in table
        assert "milliseconds" in table
    assert "milliseconds" not in repr(profile(network, 8))
    assert len({len(line) for line in repr(result).splitlines()[1:]}) == 1


def test_the_html_table_has_no_colour_of_its_own_and_escapes_names() -> None:
    network = nn.Sequential()
    network.add_module("<b>", nn.Linear(2, 2))
    page = profile(network, (2,))._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "#" not in page
    assert "currentColor" in page
