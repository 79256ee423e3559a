"""What holds the repository together: dependencies named once, imports that point down, tests that mirror the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"errors"},
    {"scales", "machine"},
    {"data", "models"},
    {
        "analysis",
        "plots",
        "profiling",
        "results",
        "training",
        "history",
        "recipe",
        "checkpoints",
        "evaluation",
        "progress",
        "randomness",
    },
    {"exercises"},
    {"authoring", "running", "grading"},
    {"cli"},
)
"""From the bottom up: a part may import from its own layer and those below it."""

FIRST_HALF = set().union(*LAYERS[:5])
"""What notebooks import; the rest is only for who builds, runs and marks the course."""

IMPORT_NAMES = {"pillow": "PIL", "ipython": "IPython", "pyyaml": "yaml"}
"""Where a package is imported by another name than it is installed by."""

CONDA_NAMES = {"torch": "pytorch"}
"""Where conda-forge calls a package something else."""


@cache
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(*extras: str) -> dict[str, str]:
    """Packages and their lower bounds, of the core where no extra is named."""
    lists = project()["optional-dependencies"]
    lines = [line for extra in extras for line in lists[extra]] if extras else project()["dependencies"]  # type: ignore[index]
    return dict(line.split(">=") for line in lines if not line.startswith("image-classification-course"))  # type: ignore[attr-defined]


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows or would take in, which leaves out what runs leave behind."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in sorted(filter(None, listed.stdout.split("\0"))) if (ROOT / name).is_file()]


MODULES = sorted((ROOT / "course_lib").rglob("*.py"))


def part(path: Path) -> str:
    """The part of course_lib that a file belongs to: its first folder, or the module itself."""
    return path.relative_to(ROOT / "course_lib").parts[0].removesuffix(".py")


def imported(path: Path, *, optional: bool = True) -> list[tuple[int, str]]:
    """Every import in a file, those inside functions too: its line and full dotted name."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree if optional else without_optional(tree)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def test_imports_point_down() -> None:
    """The first half never imports the second, even lazily: in Colab a student has only the first."""
    level = {name: index for index, layer in enumerate(LAYERS) for name in layer}
    wrong = []
    for path in MODULES:
        own = part(path)
        if own == "__init__":
            continue
        assert own in level, f"course_lib/{own} is in no layer: add it to LAYERS in {Path(__file__).name}"
        for line, name in imported(path):
            package, *inside = name.split(".")
            if package == "course_lib" and inside and inside[0] in level and level[inside[0]] > level[own]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong


def without_optional(tree: ast.AST) -> ast.AST:
    """The tree without what stands in `try: import ... except ImportError`: such a package need not be there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any("ImportError" in ast.dump(one.type) for one in node.handlers if one.type):
            node.body = [ast.Pass()]
    return tree


@pytest.mark.parametrize(
    ("files", "extras"),
    [("what notebooks import", ()), ("what runs the course", ("run",)), ("tests and benchmarks", ("run", "dev"))],
)
def test_every_import_is_a_declared_dependency(files: str, extras: tuple[str, ...]) -> None:
    declared = requirements() | (requirements(*extras) if extras else {})
    allowed = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in declared}
    allowed |= {*sys.stdlib_module_names, "course_lib", "tests", "benchmarks"}
    # What comes with a declared package, as part of what it is.
    allowed |= {"traitlets", "jupyter_client"} if extras else set()
    chosen = {
        "what notebooks import": [path for path in MODULES if part(path) in FIRST_HALF],
        "what runs the course": [path for path in MODULES if part(path) not in FIRST_HALF],
        "tests and benchmarks": [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")],
    }
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in chosen[files]
        for line, name in imported(path, optional=False)
        if name.split(".")[0] not in allowed
    ]
    assert not wrong


def test_lessons_import_only_what_colab_has() -> None:
    allowed = {IMPORT_NAMES.get(name, name) for name in requirements()} | {"course_lib", *sys.stdlib_module_names}
    for path in (ROOT / "lessons").glob("*.py"):
        assert {name.split(".")[0] for _, name in imported(path)} <= allowed, path.name


def test_environment_yml_lists_what_pyproject_does() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert listed["name"] == project()["name"]
    conda = [line for line in listed["dependencies"] if isinstance(line, str)]
    (pip,) = [entry["pip"] for entry in listed["dependencies"] if isinstance(entry, dict)]
    assert conda[:2] == [f"python{project()['requires-python']}", "pip"]
    declared = {
        CONDA_NAMES.get(name, name): bound for name, bound in (requirements() | requirements("run", "dev")).items()
    }
    assert dict(line.split(">=") for line in [*conda[2:], *pip]) == declared


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or len(ast.get_docstring(tree) or "") > 10, f"{path.relative_to(ROOT)} has no docstring"


def mirror(module: Path) -> Path:
    """tests/<same path>/test_<module>.py"""
    inside = module.relative_to(ROOT / "course_lib")
    return ROOT / "tests" / inside.with_name(f"test_{inside.name}")


@cache
def names_used(path: Path) -> frozenset[str]:
    """Everything that a file imports, by full dotted name, and the modules these names come from."""
    names = {name for _, name in imported(path)}
    return frozenset(names | {name.rpartition(".")[0] for name in names})


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.name != "__init__.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_module_is_tested(path: Path) -> None:
    """In the file that mirrors it, or in another test, or through its package or a neighbour that has a mirror."""
    if mirror(path).is_file():
        return
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    users = [
        *(ROOT / "tests").rglob("test_*.py"),
        *(one for one in path.parent.glob("*.py") if mirror(one).is_file() or one.name == "__init__.py"),
    ]
    assert any(name in names_used(user) for user in users), (
        f"nothing tests {name}: add {mirror(path).relative_to(ROOT)}"
    )


def test_every_lesson_has_both_notebooks_and_every_notebook_its_lesson() -> None:
    lessons = {path.stem for path in (ROOT / "lessons").glob("*.py")}
    for version in ("solutions", "notebooks"):
        assert {path.stem for path in (ROOT / version).glob("*.ipynb")} == lessons, f"run: course build ({version}/)"


def test_no_file_names_a_machine_a_registry_or_a_secret() -> None:
    """Paths of one machine and addresses of package registries are wrong everywhere else."""
    # Put together here, or this file would be the first to break its own rule.
    words = [
        "/" + "home/",
        "/" + "Users/",
        "/" + "work/",
        "/" + "root/",
        "/" + "tmp/",
        "pypi" + ".org",
        "python" + "hosted",
    ]
    words += ["download." + "pytorch.org/whl", "conda." + "anaconda.org"]
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}" for word in words))
    binary = {".png", ".npz", ".pdf"}
    wrong = []
    for path in tracked():
        if path.suffix in binary:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := pattern.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {found[0]}")
    assert not wrong


def test_no_tracked_file_is_large() -> None:
    """Notebooks are committed without pictures and data is not committed at all."""
    assert [path.name for path in tracked() if path.stat().st_size > 500_000] == []


def test_every_make_target_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        used = set(re.findall(r"`make ([a-z]+)", (ROOT / name).read_text(encoding="utf-8")))
        assert used <= targets, name
    assert {"help", "setup", "run", "test", "lab", "notebooks", "bench", "clean"} <= targets


def test_every_link_between_files_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{page.name} links {target}"


def test_the_course_comes_from_one_address() -> None:
    """Badges and links are made from [project.urls]; a fork changes it in one place, the README's links aside."""
    address = project()["urls"]["Repository"]  # type: ignore[index]
    owner = address.removeprefix("https://github.com/")
    named = re.findall(
        r"(?:github\.com|colab\.research\.google\.com/github)/([\w.-]+/[\w.-]+)", (ROOT / "README.md").read_text()
    )
    assert set(named) <= {owner}
