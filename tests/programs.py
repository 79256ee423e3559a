"""Programs that come from the operating system, which some tests need: a browser, a sandbox."""

import os
import shutil

import pytest


def find_program(*names: str) -> str:
    """The path of the first of `names` there is.

    Without any the test is skipped, or fails where COURSE_TEST_PROGRAMS=required says that they should be there.
    """
    for name in names:
        if path := shutil.which(name):
            return path
    message = f"needs {' or '.join(names)}: install the system package (on Debian: apt install {names[0]})"
    if os.environ.get("COURSE_TEST_PROGRAMS") == "required":
        pytest.fail(message)
    pytest.skip(message)
