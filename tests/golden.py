"""Stored output: `PLANNER_GOLDEN=write pytest` stores it anew, every other run compares."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def compare(name: str, text: str) -> None:
    path = FOLDER / name
    if os.environ.get("PLANNER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.is_file(), f"{path} is missing; PLANNER_GOLDEN=write stores it"
    assert text == path.read_text(encoding="utf-8")
