"""The way of the data: imports point only downwards, and each room does only what is its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PLANNER = Path(__file__).parents[1] / "planner"
ORDER = ("diagnostics", "units", "syntax", "catalog", "language", "physics", "solve", "lock", "report", "cli")
HEAVY = ("ortools", "numpy", "pandas", "rich", "pydantic")


def imported(file: Path) -> Iterator[str]:
    """Return the modules a file imports, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


def rooms() -> Iterator[tuple[str, Path]]:
    for file in sorted(PLANNER.rglob("*.py")):
        room = file.relative_to(PLANNER).parts[0]
        if room in ORDER:
            yield room, file


def test_imports_point_only_downwards() -> None:
    wrong = [
        f"{file.relative_to(PLANNER)} imports {name}"
        for room, file in rooms()
        for name in imported(file)
        if name.startswith("planner.")
        and name.split(".")[1] in ORDER
        and ORDER.index(name.split(".")[1]) > ORDER.index(room)
    ]
    assert wrong == []


def test_physics_knows_of_catalogs_only_records_and_counts() -> None:
    allowed = (
        "planner.catalog.records",
        "planner.catalog.parameters",
        "planner.units",
        "planner.record",
        "planner.physics",
        "planner.diagnostics",
    )
    wrong = [
        f"{file.relative_to(PLANNER)} imports {name}"
        for room, file in rooms()
        if room == "physics"
        for name in imported(file)
        if name.startswith("planner.") and name != "planner.catalog" and not name.startswith(allowed)
    ]
    assert wrong == []


def test_only_solve_imports_ortools() -> None:
    wrong = [
        str(file.relative_to(PLANNER))
        for room, file in rooms()
        if room != "solve" and any(name.partition(".")[0] == "ortools" for name in imported(file))
    ]
    assert wrong == []


def test_only_the_command_line_prints_or_exits() -> None:
    wrong = []
    for room, file in rooms():
        if room == "cli":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in ("print", "exit", "quit"):
                wrong.append(f"{file.relative_to(PLANNER)}:{called.lineno} calls {called.id}")
            if isinstance(called, ast.Attribute) and ast.unparse(called) in ("sys.exit", "os._exit", "typer.echo"):
                wrong.append(f"{file.relative_to(PLANNER)}:{called.lineno} calls {ast.unparse(called)}")
    assert wrong == []


def test_check_imports_nothing_heavy() -> None:
    code = (
        "import sys; from planner.cli.main import app\n"
        "try: app(['check', 'examples/chat.mem', 'examples/fleet.mem', 'examples/qlora.mem'])\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PLANNER.parent)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(file)
        for file in PLANNER.rglob("*.py")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []
