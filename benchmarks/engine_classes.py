"""What classes of an unpacked engine say of themselves: read as text, as importing it needs a GPU."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


class Sources:
    """The Python files of one unpacked package, by the dotted names of their modules."""

    def __init__(self, root: Path, package: str) -> None:
        """Take the folder that has the package's own files, and the package's name."""
        self.root, self.package = root, package
        self.tree = cache(self._tree)

    def path(self, module: str) -> Path | None:
        """Return the file of a module, None where it is of another package."""
        if module != self.package and not module.startswith(f"{self.package}."):
            return None
        base = self.root.joinpath(*module.split(".")[1:])
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)

    def _tree(self, module: str) -> ast.Module:
        path = self.path(module)
        return ast.Module([], []) if path is None else ast.parse(path.read_text(encoding="utf-8"))

    def find(self, module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> tuple[str, ast.ClassDef]:
        """Return the module that defines a class, and the class; imports are followed. Raise KeyError without one."""
        if (module, name) in seen:
            raise KeyError(name)
        tree = self.tree(module)
        path = self.path(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return module, node
        for node in ast.walk(tree):
            named = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets]
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and named == [name]:
                return self.find(module, node.value.id, seen | {(module, name)})
            if not isinstance(node, ast.ImportFrom):
                continue
            for item in node.names:
                if (item.asname or item.name) != name:
                    continue
                parts = module.split(".")
                inside = path is not None and path.name == "__init__.py"
                above = parts[: len(parts) - node.level + inside] if node.level else []
                try:
                    return self.find(".".join([*above, *([node.module] if node.module else [])]), item.name,
                                     seen | {(module, name)})  # fmt: skip
                except KeyError:
                    continue
        raise KeyError(name)

    def ancestors(self, module: str, name: str) -> Iterator[tuple[str, ast.ClassDef | None]]:
        """Yield a class and what it inherits, the nearest first; None of a class that is defined elsewhere."""
        try:
            where, node = self.find(module, name)
        except KeyError:
            yield name, None
            return
        yield name, node
        for base in node.bases:
            text = ast.unparse(base).split("[")[0]
            yield from self.ancestors(where, text.rpartition(".")[2])

    def inherits(self, module: str, name: str, base: str) -> bool:
        """Return whether a class has another among its ancestors."""
        return any(found == base for found, _ in self.ancestors(module, name))

    def takes(self, module: str, name: str, argument: str, method: str = "forward") -> bool:
        """Return whether the method of a class, its own or inherited, takes an argument by name."""
        for _, node in self.ancestors(module, name):
            for item in node.body if node else ():
                if isinstance(item, ast.FunctionDef) and item.name == method:
                    every = [*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs]
                    return argument in {one.arg for one in every}
        return False


def literal(tree: ast.Module, name: str) -> dict[str, object]:
    """Return a mapping of texts that a module assigns to a name. Raise KeyError where there is none."""
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Dict):
            continue
        if name in map(ast.unparse, node.targets if isinstance(node, ast.Assign) else [node.target]):
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {str(ast.literal_eval(key)): ast.literal_eval(value) for key, value in pairs if key is not None}
    raise KeyError(name)
