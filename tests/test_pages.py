"""What the README and the pages under docs/ show is what happens."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import shown

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", shown.pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_page(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    with shown.playground(tmp_path):
        now = shown.replay(text)
    assert now == text, "run `python tests/regenerate_locks.py` and review what changes"


def test_the_picture_of_the_readme_shows_the_locked_answer() -> None:
    """Run `python docs/screenshot.py` where the answer of the example is another now."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import screenshot
    finally:
        sys.path.remove(str(ROOT / "docs"))
    assert "](docs/page.png)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert screenshot.carried(screenshot.PICTURE.read_bytes()) == screenshot.answer()


def test_the_readme_has_both_commands_and_shows_the_first_plan() -> None:
    """One command sets a fresh machine up and solves, one sets it up and runs the tests; CI runs the second."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [item.text.strip() for item in shown.snippets(text) if item.language == "sh"]
    solve = next(line for line in commands if line.endswith("solve examples/chat.mem"))
    tests = next(line for line in commands if line.endswith("-m pytest -q"))
    for line in (solve, tests):
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert "\n" not in line
    plans = [item.text for item in shown.snippets(text) if item.language == "mem"]
    assert (ROOT / "examples/chat.mem").read_text(encoding="utf-8") in plans
    assert "llm-d-planner" in text
