"""The questions of the course, and `check`, which puts them to a student's answer.

How to write an exercise
------------------------
The exercises of a lesson stand in one file, `course_lib/exercises/<topic>.py`, listed in `registry.TOPICS`. It holds,
for each exercise, the reference answer (documented, as the student should write it), a function that draws cases, and
at the end

    EXERCISES = (
        Exercise(
            name="alexnet.top_k_error",
            title="Top-k error",
            points=4,
            hints=("`torch.topk` gives the k best classes of every row.", "Compare them with `labels[:, None]`."),
            answer="top_k_error",
            reference=top_k_error,
            cases=_top_k_cases,
            mistakes=(Mistake(_top_k_accuracy, "This is the share that is right; the error is 1 minus that."),),
        ),
    )

A function is asked by calling it. Draw ten or so cases of varied shape, all from the generator, so that no constant and
no lucky guess passes:

    def _top_k_cases(generator: torch.Generator) -> Iterator[Case]:
        for count, classes, k in ((1, 10, 1), (8, 10, 5), (50, 7, 3)):
            logits = torch.randn(count, classes, generator=generator)
            labels = torch.randint(classes, (count,), generator=generator)
            yield Case.call(logits, labels, k=k)

A module is asked by building it, loading the reference's weights under the reference's names, and running it forward in
eval and in train mode and backward: `Case.module(x, in_channels=64, stride=2)` builds with the keywords and runs on
`x`. The reference and the mistakes are then nn.Module classes (or functions that build a module).

An answer may be a bool, int, float, string, None, tensor, numpy array, or a list, tuple or dictionary (with string
keys) of these. It must be of exactly the reference's kind; integers and truth values must be equal, floating-point
numbers within `tolerance=Tolerance(relative=1e-4, absolute=1e-5)`. An exercise that neither calls a function nor runs a
module (a training experiment) gives its own `ask(answer, case) -> dict[str, Tensor]`, as a rule by way of
`asking.encode`; `ask` never compares. A mistake is tried on every case that the student's answer gets wrong, and named
where it gives the same wrong answers.
"""

from course_lib.exercises import reminder as _reminder
from course_lib.exercises.asking import AnswerError, encode
from course_lib.exercises.cases import Case
from course_lib.exercises.checking import check, summary
from course_lib.exercises.judging import Tolerance, Verdict, judge
from course_lib.exercises.registry import get, names
from course_lib.exercises.reporting import Result, Summary
from course_lib.exercises.specification import Exercise, Mistake

__all__ = [
    "AnswerError",
    "Case",
    "Exercise",
    "Mistake",
    "Result",
    "Summary",
    "Tolerance",
    "Verdict",
    "check",
    "encode",
    "get",
    "judge",
    "names",
    "summary",
]

_reminder.install()
