"""The training loop: repeatable, resumable, and clear about what does not fit."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from course_lib import machine, scales, training
from course_lib.data.batches import Augmentation, batches
from course_lib.data.images import ImageSet, Normalisation
from course_lib.errors import CourseError
from course_lib.training import History

SMOKE = scales.SCALES["smoke"]
CLASSES = ("dark", "middling", "bright")


def pictures(count: int, seed: int = 0, size: int = 8) -> ImageSet:
    """Noise whose brightness says the class: learnt in a few steps."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(CLASSES)
    noise = torch.randint(0, 100, (count, 3, size, size), generator=generator)
    images = (noise + 75 * labels[:, None, None, None]).to(torch.uint8)
    return ImageSet(images, labels, CLASSES, "noise")


TRAIN, TEST = pictures(90), pictures(30, seed=1)


def network(classes: int = 3) -> nn.Sequential:
    """Convolution, batch norm and dropout: everything that has a state or a random draw."""
    training.seed_everything(7)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, classes),
    )


def fit(net: nn.Module, train: ImageSet = TRAIN, test: ImageSet | None = TEST, **options: Any) -> History:
    defaults = {"epochs": 2, "batch_size": 16, "device": "cpu", "precision": "float32", "progress": False}
    return training.fit(net, train, test, SMOKE, **(defaults | options))


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


def without_time(history: History) -> list[tuple[float | None, ...]]:
    return [(e.epoch, e.train_loss, e.train_error, e.test_loss, e.test_error, e.learning_rate) for e in history.epochs]


# What training does


def test_a_network_learns_what_is_easy() -> None:
    history = fit(network(), epochs=8, augmentation=None)
    assert history.train_loss[-1] < history.train_loss[0] / 2
    assert history.test_accuracy is not None
    assert history.test_accuracy > 0.9


def test_losses_and_updates_are_those_of_the_textbook_loop() -> None:
    """By hand: each epoch's own order and crops, mean cross-entropy, SGD with momentum and weight decay."""
    ours, plain = (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    recipe = {"learning_rate": 0.01, "momentum": 0.8, "weight_decay": 0.1, "label_smoothing": 0.1}
    history = fit(ours, epochs=2, batch_size=40, schedule="constant", **recipe)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.8, weight_decay=0.1)
    for epoch in history.epochs:
        loss_sum, wrong = 0.0, 0
        order = batches(TRAIN, 40, shuffle=True, seed=0, epoch=epoch.epoch - 1, augmentation=Augmentation())
        for images, labels in order:
            logits = plain(images)
            loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(labels)
            wrong += int((logits.argmax(1) != labels).sum())
        assert epoch.train_loss == pytest.approx(loss_sum / len(TRAIN))
        assert epoch.train_error == pytest.approx(wrong / len(TRAIN))
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_scale_gives_epochs_and_batch_size_and_the_call_wins() -> None:
    assert len(training.fit(network(), TRAIN, None, SMOKE, device="cpu", progress=False)) == SMOKE.epochs
    assert len(fit(network(), epochs=3)) == 3


def test_without_a_test_set_there_is_no_test_error() -> None:
    history = fit(network(), test=None)
    assert history.test_error == [None, None]
    assert history.test_accuracy is None


def test_training_stops_when_the_callback_says_so() -> None:
    history = fit(network(), epochs=9, stop=lambda so_far: len(so_far) == 2)
    assert len(history) == 2


def test_frozen_parameters_are_left_alone() -> None:
    net = network()
    net[0].requires_grad_(False)
    before = copy.deepcopy(net[0].state_dict())
    fit(net)
    assert all(torch.equal(before[name], value) for name, value in net[0].state_dict().items())


def test_a_weight_of_zero_keeps_an_image_out_of_training() -> None:
    unreadable = TRAIN.images.clone()
    unreadable[1::2] = 255 - unreadable[1::2]
    changed = ImageSet(unreadable, TRAIN.labels, CLASSES, "noise")
    weights = torch.ones(len(TRAIN))
    weights[1::2] = 0
    options = {"weights": weights, "normalisation": TRAIN.normalisation, "test": None}
    one, other = network(), network()
    fit(one, **options)
    fit(other, train=changed, **options)
    assert same_weights(one, other)


def test_a_network_with_several_outputs_trains_with_its_own_loss() -> None:
    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.auxiliary = nn.Linear(192, 3), nn.Linear(192, 3)

        def forward(self, x: Tensor) -> Any:
            x = x.flatten(1)
            return (self.main(x), self.auxiliary(x)) if self.training else self.main(x)

    def loss(outputs: Any, labels: Tensor) -> Tensor:
        main, auxiliary = (nn.functional.cross_entropy(output, labels) for output in outputs)
        return main + 0.3 * auxiliary

    net = TwoHeads()
    before = net.auxiliary.weight.clone()
    assert math.isfinite(fit(net, loss=loss).train_loss[-1])
    assert not torch.equal(before, net.auxiliary.weight)
    with pytest.raises(CourseError, match=r"2 outputs.*loss="):
        fit(TwoHeads())


# What it leaves behind


def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others() -> None:
    one, other, third = network(), network(), network()
    histories = [fit(one, seed=3), fit(other, seed=3), fit(third, seed=4)]
    assert same_weights(one, other)
    assert without_time(histories[0]) == without_time(histories[1])
    assert not same_weights(one, third)


def test_random_numbers_before_and_after_do_not_touch_each_other() -> None:
    training.seed_everything(1)
    undisturbed = (random.random(), np.random.rand(), torch.rand(1))
    training.seed_everything(1)
    fit(network())
    training.seed_everything(1)
    one = network()
    training.seed_everything(1)
    fit(one, epochs=1)
    assert (random.random(), np.random.rand(), torch.rand(1)) == undisturbed


def test_the_network_comes_back_in_eval_mode_and_in_the_usual_memory_order() -> None:
    net = network().train()
    fit(net, channels_last=True)
    assert not any(layer.training for layer in net.modules())
    assert net[0].weight.is_contiguous()
    assert net[0].weight.device.type == "cpu"


def test_evaluate_right_after_fit_agrees_with_the_history() -> None:
    """So it must normalise with the training set's mean, not with that of the images it is given."""
    net = network()
    darker = ImageSet(TEST.images // 2, TEST.labels, CLASSES, "noise, darker")
    history = fit(net, test=darker)
    evaluation = training.evaluate(net, darker, device="cpu", precision="float32")
    assert evaluation.accuracy == pytest.approx(history.test_accuracy)
    assert evaluation.loss == pytest.approx(history.test_loss[-1])
    other = training.evaluate(net, darker, precision="float32", normalisation=darker.normalisation)
    assert other.loss != pytest.approx(evaluation.loss)


def test_progress_is_one_line_on_stderr_and_stdout_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    fit(network(), progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\n" not in captured.err
    fit(network(), progress=False)
    assert capsys.readouterr().err == ""


# Stopping and going on


def test_four_epochs_in_one_go_equal_two_and_two_bit_for_bit(tmp_path: Path) -> None:
    whole, first, second = network(), network(), network()
    through = fit(whole, epochs=4)
    fit(first, epochs=4, checkpoint=tmp_path / "run.pt", stop=lambda history: len(history) == 2)
    training.seed_everything(99)
    for parameter in second.parameters():
        nn.init.zeros_(parameter)
    resumed = fit(second, epochs=4, checkpoint=tmp_path / "run.pt")
    assert same_weights(whole, second)
    assert without_time(resumed) == without_time(through)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_a_finished_run_is_read_and_not_trained_again(tmp_path: Path) -> None:
    one, other = network(), network()
    history = fit(one, checkpoint=tmp_path / "run.pt")
    assert fit(other, checkpoint=tmp_path / "run.pt") == history
    assert same_weights(one, other)


def test_a_run_at_a_constant_rate_can_be_made_longer(tmp_path: Path) -> None:
    fit(network(), epochs=1, schedule="constant", checkpoint=tmp_path / "run.pt")
    assert len(fit(network(), epochs=2, schedule="constant", checkpoint=tmp_path / "run.pt")) == 2


def test_ctrl_c_keeps_the_finished_epochs_and_says_where(tmp_path: Path) -> None:
    def interrupt(history: History) -> bool:
        if len(history) == 2:
            raise KeyboardInterrupt
        return False

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt, match=r"after 2 of 4 epochs.*run\.pt") as caught:
        fit(network(), epochs=4, stop=interrupt, checkpoint=path)
    assert isinstance(caught.value, training.TrainingInterrupted)
    assert len(caught.value.history) == 2
    whole, resumed = network(), network()
    fit(whole, epochs=4)
    fit(resumed, epochs=4, checkpoint=path)
    assert same_weights(whole, resumed)
    with pytest.raises(training.TrainingInterrupted, match=r"sys\.last_value\.history"):
        fit(network(), epochs=4, stop=interrupt)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"learning_rate": 0.01}, "learning_rate: 0.05 there, 0.01 here"),
        ({"epochs": 5}, "epochs"),
        ({"seed": 1}, "seed"),
        ({"net": network(4)}, "layers"),
        ({"train": TRAIN[:60]}, "training images"),
        ({"train": ImageSet(TRAIN.images, TRAIN.labels.flip(0), CLASSES, "noise")}, "training images"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    fit(network(), checkpoint=tmp_path / "run.pt", normalisation=TRAIN.normalisation)
    net = change.pop("net", network())
    if net[-1].out_features == 4:
        more = (*CLASSES, "none")
        change = {"train": ImageSet(TRAIN.images, TRAIN.labels, more, "noise"), "test": None}
    before = copy.deepcopy(net)
    with pytest.raises(CourseError, match=word):
        fit(net, checkpoint=tmp_path / "run.pt", **({"normalisation": TRAIN.normalisation} | change))
    assert same_weights(before, net)


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"not a checkpoint"]
)
def test_a_damaged_checkpoint_is_named_and_left_as_it_is(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    fit(network(), checkpoint=path)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(CourseError, match=r"run\.pt is not a checkpoint"):
        fit(network(), checkpoint=path)
    assert path.read_bytes() == damaged


def test_one_flipped_bit_in_the_weights_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    net = network()
    fit(net, checkpoint=path)
    data = bytearray(path.read_bytes())
    data[data.find(net[5].weight.detach().numpy().tobytes()) + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(CourseError, match="is not a checkpoint"):
        fit(network(), checkpoint=path)


def test_a_checkpoint_that_cannot_be_written_does_not_stop_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="could not be written"):
        history = fit(network(), checkpoint=tmp_path / "file" / "run.pt")
    assert len(history) == 2


# What does not fit


def test_a_diverging_training_says_so_and_what_to_do() -> None:
    with pytest.raises(CourseError, match=r"diverged.*learning rate below 1e\+30"):
        fit(network(), learning_rate=1e30, epochs=4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"net": network(classes=10)}, "has 3 classes.*num_classes=3"),
        ({"train": pictures(30, size=16), "test": None}, r"does not take images of shape \(3, 16, 16\)"),
        ({"test": pictures(30, size=16)}, r"does not take images of shape \(3, 16, 16\)"),
        ({"test": ImageSet(TEST.images, TEST.labels, ("x", "y", "z"), "noise")}, "different classes"),
        ({"train": TRAIN[:0], "normalisation": TRAIN.normalisation}, "training set has no images"),
        ({"net": network().requires_grad_(False)}, "no parameter to train"),
        ({"epochs": 0}, "epochs=0; it must be 1 or more"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0; it must be above 0"),
        ({"label_smoothing": 1.5}, "label_smoothing=1.5"),
        ({"momentum": 0.0, "nesterov": True}, "momentum=0.0; it must be above 0 with nesterov"),
        ({"schedule": "cosine"}, "no schedule 'cosine'.*one-cycle"),
        ({"precision": "half"}, "no precision 'half'.*bfloat16"),
        ({"device": "gpu"}, "no device 'gpu'"),
    ],
)
def test_what_does_not_fit_is_said_before_training(options: dict[str, Any], words: str) -> None:
    net = options.pop("net", None) or network()
    before = copy.deepcopy(net)
    with pytest.raises(CourseError, match=words):
        fit(net, **options)
    assert same_weights(before, net)


def test_processes_that_do_not_know_of_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each would train a network of its own, and all write one checkpoint."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(CourseError, match="ACCELERATE_USE_CPU=true"):
        fit(network())


def test_an_error_of_the_students_own_network_keeps_its_traceback() -> None:
    class Blank(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            raise NotImplementedError

    with pytest.raises(NotImplementedError):
        fit(Blank())


# Schedules, precision, evaluation


@given(st.floats(0, 1, exclude_max=True))
def test_a_schedule_never_leaves_zero_to_one(progress: float) -> None:
    for schedule in ("one-cycle", "step", "constant"):
        assert 0 < training.schedule_factor(schedule, progress) <= 1


def test_one_cycle_is_pytorchs() -> None:
    steps = 40
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    # PyTorch ends each phase one step early: its first step is 0 and its last steps - 1.
    peer = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=steps + 1, cycle_momentum=False)
    peer._schedule_phases[0]["end_step"] = 0.3 * steps
    for step in range(steps):
        assert training.schedule_factor("one-cycle", step / steps) == pytest.approx(peer.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        peer.step()


def test_the_step_schedule_divides_by_ten_at_half_and_at_three_quarters() -> None:
    rates = fit(network(), epochs=4, schedule="step", learning_rate=0.01).learning_rate
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.0001])


def test_precision_is_chosen_for_the_machine_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    net = network()
    net[0].register_forward_hook(lambda layer, inputs, output: seen.append(output.dtype))
    for native, precision, expected in (
        (True, "auto", torch.bfloat16),
        (False, "auto", torch.float32),
        (True, "float32", torch.float32),
        (False, "bfloat16", torch.bfloat16),
    ):
        monkeypatch.setattr(machine, "native_bfloat16", lambda device, native=native: native)
        seen.clear()
        history = fit(net, epochs=1, precision=precision)
        assert set(seen) == {expected}
        assert math.isfinite(history.train_loss[0])
        assert net[0].weight.dtype is torch.float32


def test_channels_last_is_chosen_for_convolutions_and_can_be_switched_off() -> None:
    def choose(net: nn.Module, wish: Any = "auto") -> bool:
        return machine.Place.choose(net, "cpu", "auto", wish).channels_last

    assert choose(network())
    assert not choose(nn.Linear(2, 2))
    assert not choose(network(), False)


def test_a_missing_probe_of_another_pytorch_counts_as_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not machine.native_bfloat16()
    assert machine.describe("cpu")


def test_predict_gives_the_logits_of_all_images_in_order_whatever_the_batch_size() -> None:
    net = network().eval()
    options: dict[str, Any] = {
        "device": "cpu",
        "precision": "float32",
        "normalisation": Normalisation((0, 0, 0), (1, 1, 1)),
    }
    logits = training.predict(net, TEST, **options)
    with torch.no_grad():
        torch.testing.assert_close(logits, net(TEST.images / 255), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(training.predict(net, TEST, batch_size=7, **options), logits, rtol=1e-4, atol=1e-5)
    assert logits.dtype is torch.float32


def test_evaluation_counts_what_was_taken_for_what() -> None:
    logits = torch.tensor([[9.0, 0, 0], [9, 1, 0], [0, 9, 1], [9, 0, 1]])
    evaluation = training.Evaluation(logits, torch.tensor([0, 1, 1, 1]), CLASSES, "noise", is_miniature=True)
    assert evaluation.accuracy == 0.5
    assert evaluation.error == 0.5
    assert evaluation.top5_accuracy == 1.0
    assert evaluation.confusion.tolist() == [[1, 0, 0], [2, 1, 0], [0, 0, 0]]
    assert evaluation.class_accuracy["middling"] == pytest.approx(1 / 3)
    assert math.isnan(evaluation.class_accuracy["bright"])
    assert "no photographs" in repr(evaluation)
    assert "no photographs" in evaluation._repr_html_()


def test_top_five_looks_at_five() -> None:
    logits = torch.arange(7.0).expand(7, 7)
    names = tuple("abcdefg")
    assert training.Evaluation(logits, torch.arange(7), names, "noise").top5_accuracy == pytest.approx(5 / 7)
