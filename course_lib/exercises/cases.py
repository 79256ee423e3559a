"""A case: one question, as data.

What a case holds can be written to disk and read back (`pack`, `unpack`: tensors for safetensors, the rest for JSON),
because the grader draws cases outside the sandbox and puts them to the student's answer inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Case:
    """One question: a call of a function, or (where there is a `constructor`) the building and running of a module.

    arguments, keywords: of the function, or of the module's `forward`. Tensors, numpy arrays, numbers, strings, None,
        and lists, tuples and dictionaries of these.
    constructor: keyword arguments that build the module; None for a function.
    weights: the state dict to load into the module; `Exercise.draw` fills it with a fresh reference's.
    modes: in which of "eval" and "train" the module runs; gradients are taken in "train".
    seed: of the random numbers that the answer may draw (dropout); `Exercise.draw` fills it in.
    """

    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    constructor: dict[str, Any] | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)
    modes: tuple[str, ...] = ("eval", "train")
    seed: int = 0

    @classmethod
    def call(cls, *arguments: Any, **keywords: Any) -> Case:
        """A call of the student's function: `Case.call(logits, labels, k=5)`."""
        return cls(arguments, keywords)

    @classmethod
    def module(cls, *inputs: Any, **constructor: Any) -> Case:
        """A module built with `constructor` and run on `inputs`: `Case.module(x, in_channels=64, stride=2)`."""
        return cls(inputs, constructor=constructor)

    def __str__(self) -> str:
        """The arguments as a person would write them, large ones by their shape: `(float32 (4, 10), k=5)`."""
        call = _call_in_words(self.arguments, self.keywords)
        return call if self.constructor is None else f"{_call_in_words((), self.constructor)} on {call}"


def copy(value: Any) -> Any:
    """The same value in fresh memory, so that an answer that works in place spoils only its own copy."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, (list, tuple)):
        return type(value)(copy(item) for item in value)
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    return value


def pack(case: Case) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The case as tensors (for safetensors) and a dictionary that JSON can hold; `unpack` is the way back."""
    tensors: dict[str, Tensor] = {}
    return tensors, {entry.name: _pack(getattr(case, entry.name), entry.name, tensors) for entry in fields(Case)}


def unpack(tensors: dict[str, Tensor], packed: dict[str, Any]) -> Case:
    """The case that `pack` took apart."""
    return Case(**{name: _unpack(value, tensors) for name, value in packed.items()})


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        tensors[path] = torch.as_tensor(value).contiguous()
        return {"array" if isinstance(value, np.ndarray) else "tensor": path}
    if isinstance(value, (list, tuple)):
        items = [_pack(item, f"{path}/{number}", tensors) for number, item in enumerate(value)]
        return {type(value).__name__: items}
    if isinstance(value, dict):
        return {"dict": {key: _pack(item, f"{path}/{key}", tensors) for key, item in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{path} of a case is a {type(value).__name__}, which cannot be written to a file.")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in ("tensor", "array"):
        return tensors[content].numpy() if kind == "array" else tensors[content]
    if kind == "dict":
        return {key: _unpack(item, tensors) for key, item in content.items()}
    items = (_unpack(item, tensors) for item in content)
    return tuple(items) if kind == "tuple" else list(items)


def _call_in_words(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    words = [_in_words(value) for value in arguments]
    words += [f"{name}={_in_words(value)}" for name, value in keywords.items()]
    return f"({', '.join(words)})"


def _in_words(value: Any) -> str:
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{type(value).__name__} of {len(value)}"
