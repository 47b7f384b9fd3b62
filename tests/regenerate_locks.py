"""Writes again what follows from the catalogs and the physics: `python tests/regenerate_locks.py`.

The lock of every example (or, where nothing fits, its explanation in PLAN.expected), and the output of every command
that the README and the pages under docs/ show. Review the difference before it is committed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import shown  # noqa: E402


def plans() -> list[Path]:
    """Return every example, also of the example repositories, but what they share: that has no answer."""
    return sorted(path for path in (ROOT / "examples").rglob("*.mem") if path.parent.name != "shared")


def lock(plan: Path) -> str:
    """Solve an example as it lies in the checkout, and return what that prints."""
    name = plan.relative_to(ROOT).as_posix()
    try:
        return shown.run(f"planner solve {name}")
    except AssertionError:
        return shown.run(f"planner solve {name}  # exits 1")


def main() -> None:
    """Write the locks, then the pages."""
    import os

    os.chdir(ROOT)
    shown.progress.PATIENCE = 3600.0
    for plan in plans():
        said = lock(plan)
        if not plan.with_name(f"{plan.name}.lock").exists():
            plan.with_name(f"{plan.name}.expected").write_text(said + "\n", encoding="utf-8")
        print(f"{plan.relative_to(ROOT)}")
    for page in shown.pages():
        with tempfile.TemporaryDirectory() as folder, shown.playground(Path(folder)):
            text = shown.replay(page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")
        print(f"{page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
