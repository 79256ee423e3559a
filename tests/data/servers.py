"""Web servers on this machine that behave, stall, break off, lie or know no ranges."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `content` at any path.

    stop_after: sends so many bytes and then, with `stalls`, nothing more, else closes the connection.
    """

    daemon_threads = True

    def __init__(self, content: bytes, *, stop_after: int | None, stalls: bool, knows_ranges: bool, status: int):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.stop_after, self.stalls = content, stop_after, stalls
        self.knows_ranges, self.status = knows_ranges, status
        self.asked_from: list[int] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.server.asked_from.append(start)
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        total = len(self.server.content)
        if asked and self.server.knows_ranges:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            start = 0
            self.send_response(200)
        body = self.server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stop = self.server.stop_after
        self.wfile.write(body if stop is None else body[:stop])
        self.wfile.flush()
        if stop is not None and self.server.stalls:
            self.server.released.wait(30)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(
    content: bytes,
    *,
    stop_after: int | None = None,
    stalls: bool = False,
    knows_ranges: bool = True,
    status: int = 200,
) -> Iterator[Server]:
    """A server that runs until the block ends."""
    server = Server(content, stop_after=stop_after, stalls=stalls, knows_ranges=knows_ranges, status=status)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
