"""Real JupyterLab in a real browser: start it, open a notebook, run all of it, look at what is there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

Theme = Literal["light", "dark"]

START_SECONDS = 120
RUN_SECONDS = 480
"""What a lesson may take at smoke scale on a busy machine; on an idle one it takes 25."""

BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

_ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/lab")


@contextlib.contextmanager
def server(folder: Path, state: Path, theme: Theme = "light", **variables: str) -> Iterator[str]:
    """JupyterLab on a free port over `folder`; its settings, data and runtime files go to `state`. Gives its address.

    No token, no news, no look for updates, every cell in the page (Lab otherwise drops those out of sight).
    """
    _write_settings(state / "settings", theme)
    environment = dict(os.environ) | {
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "IPYTHONDIR": str(state / "ipython"),
    }
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": "0",
        "ServerApp.root_dir": str(folder),
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": "True",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    lab = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        + [f"--{name}={value}" for name, value in options.items()],
        env=environment | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield _address(lab)
    finally:
        family = psutil.Process(lab.pid).children(recursive=True)
        lab.terminate()  # ends its kernels too
        with contextlib.suppress(subprocess.TimeoutExpired):
            lab.wait(timeout=20)
        lab.kill()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@contextlib.contextmanager
def browser(program: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=BROWSER_OPTIONS)
        try:
            yield opened
        finally:
            opened.close()


@dataclass
class Notebook:
    """A notebook open in JupyterLab."""

    page: Page

    @classmethod
    def open(cls, browser: Browser, address: str, path: str, width: int = 1280, height: int = 1000) -> Notebook:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(START_SECONDS * 1000)
        page.goto(f"{address}/lab/tree/{path}?reset")
        page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell").first.wait_for()
        page.wait_for_function(_HAS_KERNEL)
        return cls(page)

    def run_all(self) -> None:
        """Run > Run All Cells, as a person does, until the last cell has run or one has failed."""
        self.page.locator("#jp-MainMenu .lm-MenuBar-item", has_text=re.compile("^Run$")).click()
        self.page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
        self.page.wait_for_function(_HAS_RUN, timeout=RUN_SECONDS * 1000)

    @property
    def problems(self) -> list[str]:
        """What a person would see go wrong: errors, pictures without alternative text, widgets that do not show."""
        return list(self.page.evaluate(_PROBLEMS))

    @property
    def text(self) -> str:
        """Everything written in the notebook's cells and outputs."""
        return str(self.page.locator(".jp-NotebookPanel .jp-Notebook").inner_text())

    def screenshots(self, folder: Path, name: str) -> list[Path]:
        """Pictures of the notebook from top to bottom, one a screenful, as folder/name-01.png, ..."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{name}-*.png"):
            old.unlink()
        pane = self.page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").first
        height, screen = pane.evaluate("pane => [pane.scrollHeight, pane.clientHeight]")
        paths = []
        for number, top in enumerate(range(0, height, max(1, screen - 60)), 1):
            pane.evaluate("(pane, top) => { pane.scrollTop = top; }", top)
            self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            paths.append(folder / f"{name}-{number:02d}.png")
            pane.screenshot(path=paths[-1])
        return paths


# The page's own signs mislead: its indicator says "idle" before there is a kernel, and an error looks like any text on
# stderr. So these ask the application for the kernel and the notebook.
_HAS_KERNEL = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return session?.isReady && session.session?.kernel?.status === "idle";
}"""

_HAS_RUN = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = panel.content.model.toJSON().cells.filter(
        cell => cell.cell_type === "code" && [cell.source].flat().join("").trim());
    const failed = cells.some(cell => cell.outputs.some(output => output.output_type === "error"));
    const waiting = [...panel.node.querySelectorAll(".jp-InputArea-prompt")].some(node => node.innerText.includes("*"));
    const idle = panel.sessionContext.session.kernel.status === "idle";
    return idle && !waiting && (failed || cells[cells.length - 1].execution_count !== null);
}"""

_PROBLEMS = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const all = selector => [...panel.node.querySelectorAll(selector)];
    const cell = node => "cell " + (all(".jp-Cell").indexOf(node.closest(".jp-Cell")) + 1);
    const broken = /^(Error displaying widget|Error rendering|Loading widget)/;
    return [
        ...panel.content.model.toJSON().cells.flatMap((one, index) => (one.outputs || []).filter(
            output => output.output_type === "error").map(
            output => `cell ${index + 1} raises ${output.ename}: ${output.evalue}`)),
        ...all(".jp-OutputArea img, .jp-MarkdownOutput img").filter(node => !(node.alt || "").trim()).map(
            node => `${cell(node)} shows a picture without alternative text`),
        ...all(".jp-OutputArea img").filter(node => node.complete && !node.naturalWidth).map(
            node => `${cell(node)} shows a broken picture`),
        ...all(".jp-OutputArea-output").filter(node => broken.test(node.innerText)).map(
            node => `${cell(node)}: ${node.innerText.trim().split("\\n")[0]}`),
        ...all(".jp-MarkdownOutput mjx-merror, .jp-MarkdownOutput merror").map(
            node => `${cell(node)} has a broken formula`),
    ];
}"""


def _address(lab: subprocess.Popen[str]) -> str:
    """Where the server listens, from what it says when it does."""
    said: list[str] = []
    deadline = threading.Timer(START_SECONDS, lab.kill)  # ends the reading below
    deadline.start()
    assert lab.stderr is not None
    for line in lab.stderr:
        said.append(line)
        if found := _ADDRESS.search(line):
            deadline.cancel()
            threading.Thread(target=lambda: [None for _ in lab.stderr or ()], daemon=True).start()
            return found[1]
    raise RuntimeError("JupyterLab did not start:\n" + "".join(said[-30:]))


def _write_settings(folder: Path, theme: Theme) -> None:
    settings: Mapping[str, Mapping[str, object]] = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "apputils-extension/themes": {"theme": f"JupyterLab {theme.title()}"},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
