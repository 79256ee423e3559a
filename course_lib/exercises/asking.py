"""Put one question to an answer, the student's or the reference's, and write down what it said: tensors, nothing else.

Nothing here compares. The grader runs this file inside its sandbox and hands what it wrote to `judging` outside.

What was said becomes a flat dictionary, "<what>: <kind>" to tensor. The kind of value is part of the name (`"answer:
int"`, `"answer: tuple of 2"`, `"answer[0]: tensor"`), so that an int can never be taken for a tensor that holds the
same number.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.exercises.cases import Case, copy

MOST_VALUES = 10_000  # in a nested answer; more is a mistake, and would fill the memory
DEEPEST = 8


class AnswerError(CourseError):
    """The question cannot be put to this answer; the message tells the student why."""


def ask(answer: Any, case: Case) -> dict[str, Tensor]:
    """What `answer` says to `case`.

    A function is called: "answer: ...". A module is built, given the case's weights, and run: "number of parameters",
    "state ..." (the shape of every entry of its state dict), and, where the weights fit, "output in eval mode",
    "output in train mode", "gradient of input 0", "gradient of conv1.weight" and "buffer ... after train mode".
    Random numbers start from the case's seed, and the caller's go on as if nothing had been drawn.
    Raises AnswerError, or whatever the answer raises.
    """
    with _random_numbers(case.seed):
        return _call(answer, case) if case.constructor is None else _build_and_run(answer, case)


def encode(value: Any, what: str = "answer") -> dict[str, Tensor]:
    """The value as a flat dictionary of tensors, its kind in the names. Calls no method that a student can have
    written."""
    said = dict(_encode(value, what, 0))
    if len(said) > MOST_VALUES:
        raise AnswerError(f"The {what} holds {len(said):,} values one by one: return a tensor instead.")
    return said


def _call(answer: Any, case: Case) -> dict[str, Tensor]:
    _check_signature(answer, case.arguments, case.keywords)
    return encode(answer(*copy(case.arguments), **copy(case.keywords)))


def _build_and_run(answer: Any, case: Case) -> dict[str, Tensor]:
    constructor = case.constructor or {}
    _check_signature(answer, (), constructor)
    module = answer(**copy(constructor))
    if not issubclass(type(module), nn.Module):
        raise AnswerError(f"It builds a {name_of(type(module))}, not an nn.Module.")
    state = module.state_dict()
    said = encode(sum(parameter.numel() for parameter in module.parameters()), "number of parameters")
    said |= {f"state {name}: tensor": torch.tensor(value.shape) for name, value in state.items()}
    if {name: value.shape for name, value in state.items()} != {k: v.shape for k, v in case.weights.items()}:
        return said  # the judge sees from the names and shapes what does not fit
    if "eval" in case.modes:
        module.load_state_dict(case.weights)
        with torch.no_grad(), _random_numbers(case.seed):
            said |= encode(module.eval()(*copy(case.arguments), **copy(case.keywords)), "output in eval mode")
    if "train" in case.modes:
        module.load_state_dict(case.weights)
        with torch.enable_grad(), _random_numbers(case.seed):
            said |= _train(module, case)
    return said


def _train(module: nn.Module, case: Case) -> dict[str, Tensor]:
    """Forward and backward in train mode; the loss is a fixed random mixture of all outputs."""
    module.zero_grad()
    inputs = copy(case.arguments)
    for tensor in inputs:
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            tensor.requires_grad_()
    # An answer that starts in place would fail on a leaf: it gets a copy that remembers where it came from.
    output = module.train()(*(x.clone() if isinstance(x, Tensor) else x for x in inputs), **copy(case.keywords))
    said = encode(output, "output in train mode")
    outputs = [x for x in (output if isinstance(output, (list, tuple)) else [output]) if type(x) is Tensor]
    generator = torch.Generator().manual_seed(case.seed)
    losses = [(x * torch.randn(x.shape, generator=generator)).sum() for x in outputs if x.requires_grad]
    if losses:
        torch.stack(losses).sum().backward()
    for number, tensor in enumerate(inputs):
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            said |= encode(tensor.grad, f"gradient of input {number}")
    for name, parameter in module.named_parameters():
        said |= encode(parameter.grad, f"gradient of {name}")
    for name, buffer in module.named_buffers():
        said |= encode(buffer, f"buffer {name} after train mode")
    return said


def _encode(value: Any, what: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    # `type` and the classes' own methods: isinstance() believes `__class__`, which a student can have written.
    kind = type(value)
    if depth > DEEPEST:
        raise AnswerError(f"The {what} is nested more than {DEEPEST} deep.")
    if value is None:
        yield f"{what}: None", torch.empty(0)
    elif kind is bool:
        yield f"{what}: bool", torch.tensor(value)
    elif issubclass(kind, int):
        yield f"{what}: int", _int64(int.__int__(value), what)
    elif issubclass(kind, float):
        yield f"{what}: float", torch.tensor(float.__float__(value), dtype=torch.float64)
    elif issubclass(kind, str):
        yield f"{what}: str", torch.tensor(list(str.encode(value, errors="replace")), dtype=torch.uint8)
    elif kind in (Tensor, nn.Parameter):
        yield f"{what}: tensor", _dense(value, what)
    elif kind is np.ndarray:
        yield f"{what}: array", _from_numpy(value, what)
    elif issubclass(kind, (list, tuple)):
        base = list if issubclass(kind, list) else tuple
        items = [item for _, item in zip(range(MOST_VALUES + 1), base.__iter__(value), strict=False)]
        yield f"{what}: {base.__name__} of {base.__len__(value)}", torch.empty(0)
        for number, item in enumerate(items):
            yield from _encode(item, f"{what}[{number}]", depth + 1)
    elif issubclass(kind, dict):
        yield f"{what}: dict of {dict.__len__(value)}", torch.empty(0)
        for key, item in sorted((k, v) for k, v in dict.items(value) if type(k) is str):
            yield from _encode(item, f"{what}[{key!r}]", depth + 1)
    else:
        yield f"{what}: object {name_of(kind)}", torch.empty(0)


def _int64(value: int, what: str) -> Tensor:
    if not -(2**63) <= value < 2**63:
        raise AnswerError(f"The {what} is an int of {value.bit_length()} bits: too large to be right.")
    return torch.tensor(value, dtype=torch.int64)


def _dense(value: Tensor, what: str) -> Tensor:
    if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
        raise AnswerError(f"The {what} is not an ordinary (dense) tensor with values.")
    # `value.detach` may be an attribute that the student set; the class's own method gives a tensor without attributes.
    return Tensor.detach(value).cpu().clone(memory_format=torch.contiguous_format).resolve_conj().resolve_neg()


def _from_numpy(value: np.ndarray, what: str) -> Tensor:
    try:
        return torch.tensor(np.ascontiguousarray(value).reshape(value.shape))
    except TypeError:
        raise AnswerError(f"The {what} is a numpy array of {value.dtype}, which is not a kind of number.") from None


def _check_signature(answer: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Say in words that the answer takes other arguments, before Python says it with a traceback into our code."""
    try:
        signature = inspect.signature(answer)
    except Exception:  # some callables have none; calling tells
        return
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as error:
        given = [f"value {number + 1}" for number in range(len(arguments))] + [f"{name}=..." for name in keywords]
        raise AnswerError(
            f"It is called with ({', '.join(given)}), and that does not fit its arguments {signature}: {error}."
        ) from None


def name_of(kind: type) -> str:
    return re.sub(r"\W+", "", type.__getattribute__(kind, "__name__"))[:40] or "nameless"


@contextmanager
def _random_numbers(seed: int) -> Iterator[None]:
    """Random numbers from `seed` within, and the caller's own as they were afterwards."""
    ours, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(ours)
            np.random.set_state(numpys)
