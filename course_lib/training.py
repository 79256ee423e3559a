"""fit, evaluate, predict: the one training loop of the course.

Notable: one loop for CUDA, Apple's MPS and the CPU, for one process and, under `accelerate launch`, for many; bfloat16
and channels-last where the device gains from them; every random draw of an epoch comes from (seed, epoch), so runs
repeat and stopped runs go on bit for bit. Traded away: data sets that do not fit in memory, gradient accumulation.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import checkpoints
from course_lib.data.batches import Augmentation, Batches, batches
from course_lib.data.images import ImageSet, Normalisation
from course_lib.errors import CourseError
from course_lib.evaluation import BATCH_SIZE, Evaluation, check_takes, evaluate, predict, scores
from course_lib.history import Epoch, History
from course_lib.machine import Place, Precision
from course_lib.progress import Progress
from course_lib.randomness import own_randomness, seed_everything
from course_lib.recipe import Loss, Recipe, Schedule, schedule_factor
from course_lib.scales import Scale

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = [
    "Epoch",
    "Evaluation",
    "History",
    "TrainingInterrupted",
    "evaluate",
    "fit",
    "predict",
    "schedule_factor",
    "seed_everything",
]

CROP_AND_FLIP = Augmentation()


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C or the stop button during `fit`. `.history` has the epochs that were finished.

    Still a KeyboardInterrupt, so that one press stops a loop over several networks too.
    """

    def __init__(self, history: History, planned: int, checkpoint: Path | None):
        self.history = history
        kept = (
            f"They are kept in {checkpoint}: run this again to go on from there."
            if checkpoint is not None
            else "The network keeps its weights, and `import sys; sys.last_value.history` has those epochs; "
            "with fit(..., checkpoint=path) it could go on from there."
        )
        super().__init__(f"Training of {history.name} was stopped after {len(history)} of {planned} epochs. {kept}")

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback."""
        return [str(self)]


def fit(
    network: nn.Module,
    train: ImageSet,
    test: ImageSet | None,
    scale: Scale,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    nesterov: bool = False,
    schedule: Schedule = "one-cycle",
    label_smoothing: float = 0.0,
    loss: Loss | None = None,
    augmentation: Augmentation | None = CROP_AND_FLIP,
    normalisation: Normalisation | None = None,
    weights: Tensor | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    precision: Precision = "auto",
    channels_last: bool | Literal["auto"] = "auto",
    device: str | torch.device = "auto",
    progress: bool = True,
    name: str | None = None,
    stop: Callable[[History], bool] | None = None,
) -> History:
    """Train `network` on `train`, measure it on `test` after each epoch, and return what happened.

    epochs, batch_size: the scale's unless given. batch_size is the global one: with several processes each takes its
        slice of every batch and the gradients are averaged, so losses and steps are those of one process. Networks
        with dropout (own masks in each process) or batch norm (own statistics) agree only in distribution.
    learning_rate: the highest of the schedule. Stochastic gradient descent with momentum; weight decay falls on all
        parameters, biases and norms too, as in the papers from AlexNet to ResNet. Parameters that do not require a
        gradient are left alone.
    schedule: see `schedule_factor`; the rate changes with every step.
    label_smoothing: as Szegedy et al. 2016, section 7. loss: instead of cross-entropy, a function from (outputs,
        labels (N,)) to the mean loss of the batch: for networks with several outputs, say.
    normalisation: `train`'s own unless given; kept as `network.training_normalisation`, where `evaluate` and
        `predict` find it.
    weights: (N,) how often to draw each training image, relative to the others; None for each once an epoch.
    seed: of shuffling, augmentation and dropout. On a CPU the same seed gives the same weights bit for bit. The
        network's own initial weights come from before: call `seed_everything` first, then build it.
    checkpoint: a file written after each epoch. If it is there already, the run in it goes on.
    precision, channels_last, device: "auto" takes what is fastest here.
    stop: called with the history after each epoch; True ends the training.

    Leaves the network in eval mode on the device it came from, and random state as it found it.
    Raises CourseError where network, images and settings do not fit together, where the loss is no longer a number, and
    for a checkpoint of another run; TrainingInterrupted, with the history so far, on Ctrl-C.
    """
    recipe = Recipe(
        epochs=scale.epochs if epochs is None else epochs,
        batch_size=scale.batch_size if batch_size is None else batch_size,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
        schedule=schedule,
        label_smoothing=label_smoothing,
        loss=loss,
        augmentation=augmentation,
        normalisation=normalisation or train.normalisation,
        weights=weights,
        seed=seed,
    )
    accelerator = _accelerator()
    place = Place.choose(network, _device(accelerator, device), precision, channels_last)
    history = History(name or type(network).__name__, train.source, train.is_miniature, scale.name, seed)
    with place.holding(network), own_randomness(place.device):
        _check(network, train, test, recipe.normalisation, place)
        network.training_normalisation = recipe.normalisation  # type: ignore[assignment]
        run = _Run(network, train, test, recipe, place, accelerator, history, Path(checkpoint) if checkpoint else None)
        try:
            with run.progress(shown=progress and accelerator.is_main_process) as bar:
                while len(run.history) < recipe.epochs and not (len(run.history) and stop and stop(run.history)):
                    run.advance(bar)
        except KeyboardInterrupt:
            raise TrainingInterrupted(run.history, recipe.epochs, run.checkpoint) from None
    return run.history


class _Run:
    """A training run: what changes from epoch to epoch, and the loop that changes it."""

    def __init__(
        self,
        network: nn.Module,
        train: ImageSet,
        test: ImageSet | None,
        recipe: Recipe,
        place: Place,
        accelerator: Accelerator,
        history: History,
        checkpoint: Path | None,
    ):
        self.network, self.train, self.test, self.recipe, self.place = network, train, test, recipe, place
        self.accelerator, self.history, self.checkpoint = accelerator, history, checkpoint
        self.steps = len(self._batches(train, epoch=0))
        trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(
            trainable,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
            fused=place.device.type in ("cpu", "cuda"),
        )
        # float16 loses small gradients; bfloat16 has float32's range and needs no scaling.
        self.scaler = torch.amp.GradScaler(place.device.type, enabled=place.dtype is torch.float16)
        if checkpoint is not None:
            self.settings = checkpoints.fingerprint(network, train, recipe.plain())
            self._resume(checkpoint)
        if place.device.type != "cpu":
            # Batches are then made there; copying each one over would take longer than a step.
            self.train, self.test = train.to(place.device), test and test.to(place.device)
        self.model = _distributed(network, accelerator)

    def progress(self, shown: bool) -> Progress:
        """The bar to give to `advance`."""
        done = len(self.history)
        return Progress(
            self.history.name, self.recipe.epochs, self.steps, done=done, shown=shown, check=self.check_finite
        )

    def advance(self, bar: Progress) -> None:
        """Train for one epoch, measure, and keep both."""
        started, number = time.perf_counter(), len(self.history)
        # Each process draws its own dropout masks; a resumed epoch draws the same ones again.
        seed_everything(((self.recipe.seed * 1_000_003 + number) * 4096 + self.accelerator.process_index) % 2**63)
        train_loss, train_error = self._train(number, bar)
        test_loss, test_error = (None, None) if self.test is None else self._measure(self.test)
        rate, seconds = self.optimizer.param_groups[0]["lr"], time.perf_counter() - started
        epoch = Epoch(number + 1, train_loss, train_error, test_loss, test_error, rate, seconds)
        self.history = self.history.with_epoch(epoch)
        if self.checkpoint is not None and self.accelerator.is_main_process:
            states = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
            checkpoints.save(self.checkpoint, self.network, self.history, self.settings, **states)

    def _train(self, number: int, bar: Progress) -> tuple[float, float]:
        """One pass over the training images; returns its mean loss and its error."""
        recipe, processes = self.recipe, self.accelerator.num_processes
        totals = self._totals()
        self.model.train()
        share = self._batches(self.train, epoch=number)
        for step, ((images, labels), whole_batch) in enumerate(zip(share, share.sizes(), strict=True)):
            progress = (number + step / self.steps) / recipe.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.learning_rate * schedule_factor(recipe.schedule, progress)
            with self.place.autocast():
                outputs = self.model(images)
            loss = self._summed_loss(outputs, labels)
            self.optimizer.zero_grad(set_to_none=True)
            # Gradient of the whole batch's mean: averaging over processes divides by their number once too often, and
            # their shares of the last batch may differ by an image.
            self.accelerator.backward(self.scaler.scale(loss * (processes / whole_batch)))
            self.scaler.step(self.optimizer)
            self.scaler.update()
            totals += _tally(loss, outputs, labels)
            bar.step(number, totals)
        return self._means(totals)

    @torch.inference_mode()
    def _measure(self, images: ImageSet) -> tuple[float, float]:
        """Mean loss (plain cross-entropy) and error on `images`, by all processes together."""
        totals = self._totals()
        self.network.eval()
        for batch, labels in self._batches(images):
            with self.place.autocast():
                outputs = self.network(batch)
            totals += _tally(F.cross_entropy(scores(outputs), labels, reduction="sum"), outputs, labels)
        return self._means(totals)

    def _batches(self, images: ImageSet, epoch: int | None = None) -> Batches:
        """This process's share of the batches: shuffled and augmented for training epoch `epoch`, else as they are."""
        training: dict[str, Any] = {}
        if epoch is not None:
            recipe = self.recipe
            training = {"augmentation": recipe.augmentation, "weights": recipe.weights, "shuffle": True}
            training |= {"seed": recipe.seed, "epoch": epoch}
        return batches(
            images,
            BATCH_SIZE if epoch is None else self.recipe.batch_size,
            normalisation=self.recipe.normalisation,
            device=self.place.device,
            channels_last=self.place.channels_last,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
            **training,
        )

    def _summed_loss(self, outputs: Any, labels: Tensor) -> Tensor:
        if self.recipe.loss is not None:
            return self.recipe.loss(outputs, labels) * len(labels)
        if not isinstance(outputs, Tensor):
            raise CourseError(
                f"{self.history.name} has {len(outputs)} outputs in training. Give fit the loss for them: "
                "loss=function(outputs, labels) -> mean loss of the batch."
            )
        return F.cross_entropy(outputs.float(), labels, label_smoothing=self.recipe.label_smoothing, reduction="sum")

    def _totals(self) -> Tensor:
        """Sums kept on the device, so that no step waits for a number to come back: loss, wrong answers, images."""
        precise = torch.float32 if self.place.device.type == "mps" else torch.float64
        return torch.zeros(3, dtype=precise, device=self.place.device)

    def _means(self, totals: Tensor) -> tuple[float, float]:
        """Mean loss and error over all processes. Raises CourseError where the loss is not finite."""
        loss, wrong, count = self.accelerator.reduce(totals, reduction="sum").tolist()
        self.check_finite(loss)
        return loss / count, wrong / count

    def check_finite(self, loss: float) -> None:
        """Raise CourseError where the training has diverged."""
        if not math.isfinite(loss):
            raise CourseError(
                f"The loss of {self.history.name} is no longer a finite number in epoch {len(self.history) + 1}: the "
                f"training has diverged. Build the network again and try a learning rate below "
                f"{self.recipe.learning_rate:g}, say {self.recipe.learning_rate / 5:g}; if that does not help, see how "
                f"the weights are initialised, and try precision='float32'."
            )

    def _resume(self, checkpoint: Path) -> None:
        state = checkpoints.load(checkpoint, self.network, self.settings)
        if state is not None:
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            self.history = replace(self.history, epochs=state["epochs"])


def _accelerator() -> Accelerator:
    """What knows how many processes there are. Number formats are `Place`'s: they may differ from run to run."""
    # Imported here: it costs most of a second, and many notebooks open without training.
    from accelerate import Accelerator, DistributedDataParallelKwargs

    # A block that stochastic depth drops has no gradient in that step, in one process or in all.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(mixed_precision="no", kwargs_handlers=[unused])
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != accelerator.num_processes:
        raise CourseError(
            f"{launched} processes were launched, but each knows only of {accelerator.num_processes}. On a machine "
            "without GPUs, start them with ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes N."
        )
    return accelerator


def _device(accelerator: Accelerator, device: str | torch.device) -> str | torch.device:
    """Several processes have been given their devices by the launcher; one process may choose."""
    return accelerator.device if device == "auto" or accelerator.num_processes > 1 else device


def _distributed(network: nn.Module, accelerator: Accelerator) -> nn.Module:
    """`network`, with its gradients averaged over the processes where there are several."""
    return accelerator.prepare_model(network, device_placement=False) if accelerator.num_processes > 1 else network


def _tally(loss: Tensor, outputs: Any, labels: Tensor) -> Tensor:
    """Summed loss, wrong answers and images of one batch, (3,)."""
    wrong = (scores(outputs).detach().argmax(dim=1) != labels).sum()
    return torch.stack([loss.detach(), wrong, torch.full_like(wrong, len(labels))])


def _check(
    network: nn.Module, train: ImageSet, test: ImageSet | None, normalisation: Normalisation, place: Place
) -> None:
    """Raise CourseError, before anything is trained, where network and images do not fit together."""
    for images, words in ((train, "training set"), (test, "test set")):
        if images is None:
            continue
        if len(images) == 0:
            raise CourseError(f"The {words} has no images.")
        if images.classes != train.classes:
            raise CourseError(
                f"Training and test set have different classes: {len(train.classes)} ({', '.join(train.classes[:3])} "
                f"…) and {len(images.classes)} ({', '.join(images.classes[:3])} …). Take both from one data set."
            )
        check_takes(network, images, normalisation, place)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise CourseError(f"{type(network).__name__} has no parameter to train: none of them requires a gradient.")
