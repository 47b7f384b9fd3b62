"""The way of the data: imports point only downwards, and each room does only what is its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PLANNER = Path(__file__).parents[1] / "planner"
ORDER = (
    *(
        "record",
        "version",
        "regular_files",
        "user_cache",
        "diagnostics",
        "units",
        "syntax",
        "catalog",
        "language",
        "physics",
    ),
    *(
        "solve",
        "wording",
        "lock",
        "startup",
        "lint",
        "plan",
        "by_name",
        "report",
        "export",
        "review",
        "trials",
        "current_answer",
        "api",
    ),
    *("lsp", "mcp", "cli"),
)
"""The rooms of the package from the lowest on; each imports those before it."""
SOLVE = (
    *(
        "needs",
        "candidate",
        "answer",
        "clock",
        "progress",
        "defaults",
        "rules",
        "columns",
        "classes",
        "copies",
        "objective",
        "rent",
    ),
    *(
        "judging",
        "parallelism",
        "stated",
        "inference",
        "training",
        "kinds",
        "fleet",
        "choose",
        "mix",
        "few_candidates",
        "first_answer",
        "sensitivity",
        "offered",
        "pipeline",
        "__init__",
    ),
)
"""The rooms of a solve likewise. Neither kind of workload imports the other."""
HEAVY = ("ortools", "numpy", "pandas", "rich", "pydantic", "pygls", "lsprotocol", "mcp")
PROTOCOLS = {"pygls": "lsp", "lsprotocol": "lsp", "mcp": "mcp"}
"""The libraries of protocols, each with the one room that imports it."""


@cache
def tree_of(file: Path) -> ast.Module:
    """Return what a file says, parsed once for all tests."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    """Return everything in a file."""
    return tuple(ast.walk(tree_of(file)))


@cache
def imported(file: Path) -> tuple[str, ...]:
    """Return the modules a file imports, also inside functions and under TYPE_CHECKING."""
    out: list[str] = []
    for node in nodes(file):
        if isinstance(node, ast.Import):
            out += (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            out.append(node.module)
            out += (f"{node.module}.{item.name}" for item in node.names)
    return tuple(out)


def module(file: Path) -> str:
    """Return the name of a file's module."""
    return ".".join(file.relative_to(PLANNER.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = {module(file): file for file in sorted(PLANNER.rglob("*.py"))}


def rooms() -> Iterator[tuple[str, Path]]:
    for name, file in FILES.items():
        room = name.split(".")[1] if "." in name else "__init__"
        if room in ORDER:
            yield room, file


def room_of(name: str, depth: int) -> str:
    """Return the room of a module at a depth of the package."""
    parts = name.split(".")
    return parts[depth] if len(parts) > depth else "__init__"


def test_every_room_has_a_place_in_the_order() -> None:
    assert {room_of(name, 1) for name in FILES} == {*ORDER, "__init__", "__main__"}
    assert {room_of(name, 2) for name in FILES if name.startswith("planner.solve")} == set(SOLVE)


@pytest.mark.parametrize(("depth", "order"), [(1, ORDER), (2, SOLVE)], ids=["package", "solve"])
def test_imports_point_only_downwards(depth: int, order: tuple[str, ...]) -> None:
    inside = "planner." if depth == 1 else "planner.solve."
    wrong = []
    for name, file in FILES.items():
        here = room_of(name, depth)
        if not name.startswith(inside) or here not in order:
            continue
        for other in imported(file):
            there = room_of(other, depth)
            if other in FILES and other.startswith(inside) and order.index(there) > order.index(here):
                wrong.append(f"{name} imports {other}")
    assert wrong == []


def test_the_kinds_of_workload_do_not_know_each_other() -> None:
    kinds = ("inference", "training")
    wrong = [
        f"{name} imports {other}"
        for kind, stranger in zip(kinds, reversed(kinds), strict=True)
        for name, file in FILES.items()
        if name.startswith(f"planner.solve.{kind}")
        for other in imported(file)
        if other.startswith(f"planner.solve.{stranger}")
    ]
    assert wrong == []


def test_one_place_tells_the_kinds_of_workload_apart() -> None:
    """All else asks what the kind has a quantity for (`"replicas" in BY_KIND[kind]`)."""
    wrong = [
        f"{name}:{node.lineno}"
        for name, file in FILES.items()
        if name.startswith("planner.solve.") and name != "planner.solve.kinds"
        for node in nodes(file)
        if isinstance(node, ast.Compare)
        and any(isinstance(part, ast.Constant) and part.value in ("inference", "training") for part in node.comparators)
    ]
    assert wrong == []


def test_no_files_import_in_a_circle() -> None:
    """Imports inside functions and for type checkers counted; what a package hands on is not its own."""
    graph = {name: {other for other in imported(file) if other in FILES} for name, file in FILES.items()}
    for name in FILES:  # `from a.b import c` names the package a.b, and the module a.b.c where there is one
        packages = {item for item in graph[name] if FILES[item].name == "__init__.py"}
        graph[name] -= {item for item in packages if any(other.startswith(f"{item}.") for other in graph[name])}
        graph[name] -= {"planner", "planner.solve", name}
    done: set[str] = set()

    def circle(name: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if name in path:
            return (*path[path.index(name) :], name)
        if name in done:
            return ()
        found = next((found for other in sorted(graph[name]) if (found := circle(other, (*path, name)))), ())
        done.add(name)
        return found

    assert [found for name in FILES if (found := circle(name, ()))] == []


def test_a_class_name_has_one_meaning() -> None:
    found = [
        node.name
        for file in FILES.values()
        for node in nodes(file)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert {name for name in found if found.count(name) > 1} == set()


def test_what_the_solver_takes_and_returns_has_a_type() -> None:
    """`Any` stands in caches alone, and for what OR-Tools hands on; numbers or columns are `Ints` or `Floats`."""
    wrong = [
        f"{name}:{node.lineno} {node.name}"
        for name, file in FILES.items()
        if name.startswith("planner.solve.")
        for node in nodes(file)
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        for given in (node.args.posonlyargs, node.args.args, node.args.kwonlyargs)
        for annotation in (*(item.annotation for item in given), node.returns)
        if annotation is not None
        and any(isinstance(part, ast.Name) and part.id == "Any" for part in ast.walk(annotation))
    ]
    assert wrong == []


def test_records_of_many_fields_are_made_by_keyword() -> None:
    """Nobody counts to the ninth argument. Rows that are made of columns, thousands at once, name them there."""
    columns = {"planner.catalog.offers", "planner.catalog.prices.gpuhunt", "planner.catalog.prices.skypilot"}
    wrong = [
        f"{name}:{node.lineno}"
        for name, file in FILES.items()
        for node in nodes(file)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id[0].isupper()
        and len(node.args) > 7
        and not any(isinstance(item, ast.Starred) for item in node.args)
        and name not in columns
    ]
    assert wrong == []


def test_a_file_is_read_in_one_sitting() -> None:
    """A file is no longer than 400 lines, and a folder has no more than 26 files."""
    long = [name for name, file in FILES.items() if len(file.read_text(encoding="utf-8").splitlines()) > 400]
    folders = Counter(file.parent.relative_to(PLANNER).as_posix() for file in FILES.values())
    assert long == []
    assert [folder for folder, count in folders.items() if count > 26] == []


def test_physics_knows_of_catalogs_only_records_and_counts() -> None:
    allowed = (
        "planner.catalog.records",
        "planner.catalog.programs.engines",
        "planner.catalog.architecture",
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


def test_protocols_are_spoken_in_their_rooms_alone() -> None:
    wrong = [
        f"{file.relative_to(PLANNER)} imports {library}"
        for room, file in rooms()
        for library in {name.partition(".")[0] for name in imported(file)} & set(PROTOCOLS)
        if PROTOCOLS[library] != room
    ]
    assert wrong == []


def test_only_the_command_line_prints_or_exits() -> None:
    wrong = []
    for room, file in rooms():
        if room == "cli":
            continue
        for node in nodes(file):
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
    silent = [str(file) for file in FILES.values() if not ast.get_docstring(tree_of(file))]
    assert silent == []
