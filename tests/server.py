"""An HTTP server on this machine with given files, parts of them on request, and what was asked of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """What a server has: contents by path, or a function that answers; `asked` are the paths with their ranges."""

    files: dict[str, bytes | Callable[[dict[str, str]], Answer]] = field(default_factory=dict)
    parts: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    sent: int = 0
    url: str = ""


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Range", "")))
            site.tokens.append(self.headers.get("Authorization", ""))
            code, headers, body = self._answer()
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            site.sent += len(body)
            self.wfile.write(body)

        def _answer(self) -> Answer:
            found = site.files.get(self.path.partition("?")[0])
            if found is None:
                return 404, {}, b"{}"
            if callable(found):
                return found(dict(self.headers.items()))
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if site.parts else None
            if span is None:
                return 200, {}, found
            first, last = int(span[1]), min(int(span[2]), len(found) - 1)
            if first > last:
                return 416, {}, b""
            return 206, {"Content-Range": f"bytes {first}-{last}/{len(found)}"}, found[first : last + 1]

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
