"""A course of one small lesson, for tests of what makes notebooks; its exercises are tests/exercises/questions."""

from __future__ import annotations

from pathlib import Path

PROJECT = """\
[project]
name = "image-classification-course"
[project.urls]
Repository = "https://github.com/someone/course"
"""

HEAD = """\
# %% [markdown]
# # 2 · AlexNet
#
# **Time**: reading 20 minutes, exercises 30, running 5 (scale `laptop`, 4 cores).

# %%
from course_lib import scales

# %% tags=["parameters"]
scale = "laptop"
seed = 0

# %%
scale = scales.get(scale)

# %% tags=["facts"]
print("two plus two is", 2 + 2)

# %%
from course_lib.exercises import check, summary
"""

TOP_K = '''\
# %% [markdown]
# ## Top-k &nbsp; error

# %% exercise="alexnet.top_k_error"
def top_k_error(logits, labels, k=5):
    """Share of misses."""
    ### BEGIN SOLUTION
    best = logits.topk(k).indices
    return 1 - (best == labels[:, None]).any(1).double().mean().item()
    ### END SOLUTION

# %%
check("alexnet.top_k_error", top_k_error)
'''

BLOCK = '''\
# %% exercise="alexnet.block"
class Block:
    """Layers are named conv1 and bn1."""

    def __init__(self, in_channels):
        super().__init__()
        ### BEGIN SOLUTION
        self.secret_of_init = in_channels
        ### END SOLUTION

    def forward(self, x):
        if x is not None:
            ### BEGIN SOLUTION
            return self.secret_of_forward(x)
            ### END SOLUTION

# %%
check("alexnet.block", Block)
'''

SPREAD = '''\
# %% exercise="alexnet.spread"
def spread(x):
    """Less its mean."""
    ### BEGIN SOLUTION
    return x - x.mean(dim=1, keepdim=True)
    ### END SOLUTION

# %%
check("alexnet.spread", spread)
'''

TAIL = """\
# %% [markdown] tags=["solution"]
# Only the instructor reads this.

# %% alt="A straight line."
figure = scale
figure.name

# %% [markdown]
# **Question.** Why?

# %% [markdown] discuss="alexnet.1"
# The model answer.

# %%
summary("02_alexnet")
"""

LESSON = "\n".join([HEAD, TOP_K, BLOCK, SPREAD, TAIL])


def make(root: Path, text: str = LESSON) -> Path:
    """A checkout of the course at `root`, its only lesson as `text` has it; the path of that lesson."""
    (root / "lessons").mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    path = root / "lessons" / "02_alexnet.py"
    path.write_text(text, encoding="utf-8")
    return path
