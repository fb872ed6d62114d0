"""A folder served over HTTP with ranges, by a server that misbehaves when told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

#: What the server does to a request: the path and its number; a status, a cut, or nothing.
Fault = Callable[[str, int], object]

#: Answers half of what was asked for, and hangs up.
CUT = "cut"
#: Answers with the whole file, whatever part was asked for.
WHOLE = "whole"


class HttpFolder:
    """The server's state.

    Attributes:
        url: of the folder.
        fault: asked at every request.
        fetched: names of the files that were asked for, in order.
        closed: answers nobody any more, also over connections that were open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.fault: Fault = lambda name, number: None
        self.fetched: list[str] = []
        self.closed = False
        self._lock = threading.Lock()

    def note(self, name: str) -> object:
        with self._lock:
            self.fetched.append(name)
            return self.fault(name, self.fetched.count(name))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, state: HttpFolder, *args: object) -> None:
        self._state = state
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self._state.closed:
            self.close_connection = True
            return
        name = self.path.rsplit("/", 1)[-1]
        path = self._state.folder / name
        fault = self._state.note(name)
        if isinstance(fault, int) or not path.is_file():
            self.send_response(fault if isinstance(fault, int) else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = path.read_bytes()
        start, end = 0, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and fault != WHOLE:
            start, end = int(asked[1]), min(int(asked[2]) + 1, len(data))
        self.send_response(206 if (start, end) != (0, len(data)) else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        if fault == CUT:
            self.wfile.write(data[start : (start + end) // 2])
            self.close_connection = True
            return
        self.wfile.write(data[start:end])

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none of the test's business."""


@contextmanager
def http_folder(folder: Path, port: int = 0) -> Iterator[HttpFolder]:
    """Serve a folder on a loopback port until the end."""
    state = HttpFolder(folder)
    server = _Server(("127.0.0.1", port), partial(_Handler, state))
    state.url = f"http://127.0.0.1:{server.server_address[1]}/set/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        state.closed = True
        server.shutdown()
        server.server_close()
        thread.join()
