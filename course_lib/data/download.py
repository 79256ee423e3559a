"""One large file from several mirrors: resumed, checked, complete or not there at all.

What is notable: a mirror that stalls or breaks off costs only the bytes still missing, because the next one goes on
where it stopped. Without a network this is known within seconds, although looking up a name may hang for a minute.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import queue
import shutil
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.data.cache import disk_full, lock
from course_lib.errors import CourseError

if TYPE_CHECKING:
    from tqdm import tqdm

OFFLINE_VARIABLE = "COURSE_OFFLINE"
STALL_SECONDS = 15.0
OFFLINE_SECONDS = 4.0
BLOCK = 1 << 18


class UnreachableError(CourseError):
    """No mirror could be reached, or none went on sending: the network's fault, so trying again later may help."""


def is_offline() -> bool:
    """Whether COURSE_OFFLINE forbids every download."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().lower() not in ("", "0", "false", "no")


def partial(destination: Path) -> Path:
    """Where an unfinished download of `destination` waits to be resumed."""
    return destination.with_name(destination.name + ".partial")


def md5_of(path: Path) -> str:
    """The MD5 of a file's contents: 0.3 s for CIFAR-10's archive."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fetch(
    urls: Sequence[str],
    destination: Path,
    *,
    md5: str,
    size: int,
    progress: bool = True,
    stall_seconds: float = STALL_SECONDS,
    offline_seconds: float = OFFLINE_SECONDS,
) -> Path:
    """`destination`, downloaded from the first of `urls` that has it, unless it is there already.

    size: bytes, md5: of the whole file. stall_seconds: without a byte, before the next mirror goes on.
    Interrupted by Ctrl-C or the power, the next call resumes. Two processes: the second waits for the first.
    Raises UnreachableError without a network (within `offline_seconds`) or when every mirror fails, CourseError for a
    full disk and where what the mirrors send is not the file.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with lock(destination):
        if destination.is_file():
            if destination.stat().st_size == size and md5_of(destination) == md5:
                return destination
            destination.unlink()
        if is_offline():
            raise UnreachableError(f"{destination.name} is not on this computer, and {OFFLINE_VARIABLE} is set.")
        have = _have(partial(destination))
        if shutil.disk_usage(destination.parent).free < size - have:
            raise disk_full(destination.parent, size - have)
        if have < size and not _any_reachable(urls, offline_seconds):
            raise UnreachableError(f"There is no network: none of {_hosts(urls)} can be reached.")
        with _bar(destination.name, size, progress) as bar:
            _fill(list(urls), destination, md5, size, bar, stall_seconds)
        partial(destination).replace(destination)
    return destination


def _fill(urls: list[str], destination: Path, md5: str, size: int, bar: tqdm, stall_seconds: float) -> None:
    """Completes the partial file; mirrors take turns for as long as each brings some bytes."""
    file = partial(destination)
    faults: dict[str, str] = {}
    network_only = True
    while urls:
        url = urls.pop(0)
        begun = _have(file)
        bar.n = begun
        bar.refresh()
        try:
            _go_on(url, file, size, bar, stall_seconds)
        except _WrongFileError as error:
            faults[url], network_only = str(error), False
            continue
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise disk_full(file.parent, size - _have(file)) from error
            faults[url] = _words(error, stall_seconds)
            if _have(file) > begun:
                urls.append(url)
            continue
        if (found := md5_of(file)) == md5:
            return
        file.unlink()
        faults[url], network_only = f"wrong contents (MD5 {found}, not {md5})", False
        if begun:
            # What another mirror sent before may be the wrong part: this one gets a chance from the beginning.
            urls.insert(0, url)
    tried = "; ".join(f"{_host(url)}: {fault}" for url, fault in faults.items())
    if got := _have(file):
        tried += f". The {got / 1e6:,.1f} MB received are kept, the next try goes on from there"
    kind = UnreachableError if network_only else CourseError
    raise kind(f"{destination.name} could not be downloaded. {tried}. Try later, or copy the file to {destination}.")


class _WrongFileError(Exception):
    """The mirror has another file under this address."""


def _go_on(url: str, file: Path, size: int, bar: tqdm, stall_seconds: float) -> None:
    """Appends to `file` what it lacks. OSError or HTTPException when the connection fails, stalls or breaks off."""
    have = _have(file)
    if have >= size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=stall_seconds) as response:
        start = _start(response, have)
        length = response.headers.get("Content-Length")
        if length is None or start + int(length) != size:
            raise _WrongFileError(
                f"has {length or 'an unknown number of'} bytes at byte {start:,}, not {size - start:,}"
            )
        with file.open("rb+" if file.exists() else "wb") as out:
            # A server that does not know ranges sends everything again from the beginning.
            out.seek(start)
            out.truncate()
            bar.n = start
            while block := response.read1(BLOCK):
                out.write(block)
                bar.update(len(block))
    if _have(file) < size:
        raise ConnectionError("the connection broke off")


def _start(response: http.client.HTTPResponse, have: int) -> int:
    """The byte at which the answer begins: `have` where the server honoured the range, else 0."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    place = response.headers.get("Content-Range", "")
    if not place.startswith(f"bytes {have}-"):
        raise _WrongFileError(f"was asked for bytes from {have:,} and sent {place or 'no range'!r}")
    return have


def _any_reachable(urls: Sequence[str], seconds: float) -> bool:
    """Whether any host (or the proxy before it) takes a connection within so many seconds."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def connect(address: tuple[str, int]) -> None:
        try:
            socket.create_connection(address, timeout=seconds).close()
            answers.put(True)
        except OSError:
            answers.put(False)

    addresses = {_address(url) for url in urls}
    for address in addresses:
        # A thread of its own, left behind if need be: nothing can stop a look-up of a name that hangs.
        threading.Thread(target=connect, args=(address,), daemon=True).start()
    end = time.monotonic() + seconds
    for _ in addresses:
        try:
            if answers.get(timeout=max(end - time.monotonic(), 0)):
                return True
        except queue.Empty:
            return False
    return False


def _address(url: str) -> tuple[str, int]:
    """Host and port that a request for `url` connects to first."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _have(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def _hosts(urls: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(map(_host, urls)))


def _words(error: Exception, stall_seconds: float) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"nothing came for {stall_seconds:g} s"
    return str(reason) or type(reason).__name__


def _bar(name: str, size: int, progress: bool) -> tqdm:
    from tqdm.auto import tqdm

    return tqdm(total=size, desc=name, unit="B", unit_scale=True, disable=not progress)
