"""The picture of an answer's page in the README: `python docs/screenshot.py`, with Chromium or Chrome installed.

The picture carries the answer that it shows, as a text of the PNG: `tests/test_pages.py` holds it against the lock.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from planner.lock.read import read

ROOT = Path(__file__).parents[1]
PLAN = ROOT / "examples/chat.mem"
PICTURE = ROOT / "docs/page.png"
SIZE = (1000, 940)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def answer() -> str:
    """Return the locked answer in one line, as the picture carries it."""
    lock, _ = read(Path(f"{PLAN}.lock"), str(PLAN))
    assert lock is not None
    parts = []
    for name, row in lock.workloads.items():
        choice, memory = row["choice"], row["memory"]
        parts.append(f"{name}: {choice['gpus']} x {choice['gpu']}, {memory['total']} of {memory['usable']} bytes")
    return "; ".join([*parts, f"{lock.cost} USD/h", lock.outcome])


def chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG: kind and data (PNG specification, section 5)."""
    at = 8
    while at < len(picture):
        (size,) = struct.unpack(">I", picture[at : at + 4])
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + size]
        at += size + 12


def written(parts: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG of chunks."""
    whole = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts:
        whole += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return whole


def carried(picture: bytes) -> str:
    """Return the answer that a picture carries; empty where it carries none."""
    texts = [data for kind, data in chunks(picture) if kind == b"tEXt" and data.startswith(b"Description\0")]
    return texts[0].partition(b"\0")[2].decode("latin-1") if texts else ""


def main() -> int:
    """Solve the plan, open its page and keep what is seen."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no browser: one of {', '.join(BROWSERS)} must be installed", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "page.html", Path(folder) / "page.png"
        solve = [sys.executable, "-m", "planner", "solve", "--no-lock", "--format", "html", "-o", str(page)]
        subprocess.run([*solve, str(PLAN.relative_to(ROOT))], check=True, cwd=ROOT)
        words = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE[0]},{SIZE[1]}"]
        subprocess.run([browser, *words, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True)
        first, *rest = chunks(shot.read_bytes())
    text = (b"tEXt", b"Description\0" + answer().encode("latin-1"))
    PICTURE.write_bytes(written([first, text, *rest]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
