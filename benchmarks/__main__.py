"""Every benchmark, one after the other: python -m benchmarks [NAME ...]."""

from __future__ import annotations

import importlib
import sys

NAMES = ("batches", "training_step", "lesson_start", "physical_limit")


def main(names: list[str]) -> None:
    """Run the benchmarks called `names`, or all."""
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.")
    # The names are read; what is left is for the benchmarks that take options of their own.
    del sys.argv[1:]
    for name in list(names) or NAMES:
        importlib.import_module(f"benchmarks.{name}").main()
        print(flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
