"""The one place that opens a connection, and only for the verbs that were asked to: bounded reads over HTTP(S)."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import urlsplit

from planner.version import __version__

TIMEOUT = 30
"""Seconds that a server may be silent."""


class NetworkError(Exception):
    """Something could not be fetched; `status` is the server's answer, 0 where there was none."""

    def __init__(self, url: str, reason: str, status: int = 0) -> None:
        """Take the address, the reason in words and the status."""
        super().__init__(f"{url}: {reason}")
        self.url, self.reason, self.status = url, reason, status


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to HTTP(S) alone, and takes no credentials to another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        target = urlsplit(newurl)
        if target.scheme not in ("http", "https"):
            raise urllib.error.URLError(f"it redirects to a `{target.scheme[:20]}` address")
        other = super().redirect_request(req, fp, code, msg, headers, newurl)
        if other is not None and target.netloc != urlsplit(req.full_url).netloc:
            other.remove_header("Authorization")
        return other


def get(
    url: str, most: int, headers: Mapping[str, str] | None = None, first: int = 0, last: int | None = None
) -> bytes:
    """Return what an address holds, at most so many bytes; with `last` only from the `first` byte to that one.

    A server that does not send parts is refused where the whole is larger than what was asked for. Raise NetworkError.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise NetworkError(url, "is not an HTTP address")
    asked = {"User-Agent": f"mem-planner/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
    if last is not None:
        asked["Range"] = f"bytes={first}-{last}"
    request = urllib.request.Request(url, headers=asked)
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT) as answer:
            raw: bytes = answer.read(most + 1)
            whole = last is not None and answer.status != 206
    except urllib.error.HTTPError as problem:
        with problem:
            raise NetworkError(url, f"the server answers {problem.code} {problem.reason}", problem.code) from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        reason = getattr(problem, "reason", None) or getattr(problem, "strerror", None) or problem
        raise NetworkError(url, f"cannot be reached: {reason}") from None
    if len(raw) > most:
        what = "does not send parts of a file, and this one" if whole else "sends more than was asked for, and this"
        raise NetworkError(url, f"the server {what} is over {most} bytes")
    return raw[first:] if whole else raw
