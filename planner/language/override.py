"""Relations that replace those of a plan: of a `test` block, or of `--set chat.gpus=2`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error
from planner.language.scope import near
from planner.syntax import tree
from planner.syntax.parse import parse

SIDES = {"<=": "above", "<": "above", ">=": "below", ">": "below", "!=": "not", "=": "set", "in": "set"}
WRITTEN = "WORKLOAD.QUANTITY=VALUE"


def read_setting(setting: str) -> tuple[tree.Relation | None, tuple[Diagnostic, ...]]:
    """Return the relation of a `--set` text, or why it is none; its spans are in the text named `--set SETTING`."""
    path = f"--set {setting}"
    file, findings = parse(f'test "" {{ {setting} }}', path)
    items = file.items[0].items if file.items and isinstance(file.items[0], tree.Test) else ()
    if findings or len(file.items) != 1 or len(items) != 1 or not isinstance(items[0], tree.Relation):
        reason = findings[0].message if findings else "it is not a relation"
        span = Span(path, 0, len(setting), 1, 1) if setting else None
        message = f"`--set {setting}` is not {WRITTEN}: {reason}"
        return None, (error("E0402", message, span, help="--set chat.gpus=2"),)
    return _moved(items[0], len('test "" { '), path), ()


def _moved(relation: tree.Relation, by: int, path: str) -> tree.Relation:
    from planner.syntax.walk import map_spans

    def move(span: Span) -> Span:
        return Span(path, span.start - by, span.end - by, 1, span.column - by)

    return map_spans(relation, move)


def override(
    file: tree.File, relations: Iterable[tree.Relation], workloads: Iterable[str] = ()
) -> tuple[tree.File, tuple[Diagnostic, ...]]:
    """Return a plan with relations in place of its own: `chat.gpus = 2`, `fleet.cost <= $9/h`, `budget = $9/h`.

    A `=` or `in` replaces all that is said of the quantity, a bound the bounds in the same direction.
    """
    items = list(file.items)
    out: list[Diagnostic] = []
    for relation in relations:
        finding = _apply(items, relation)
        if finding is not None:
            out.append(finding)
    return replace(file, items=tuple(items)), tuple(out)


def _apply(items: list[tree.Item], relation: tree.Relation) -> Diagnostic | None:
    target = relation.target
    for index, item in enumerate(items):
        if isinstance(item, tree.Let) and item.name == target.text:
            if relation.operator != "=":
                return error("E0402", f"`{item.name}` is a `let`: it takes `=`", relation.span, help=f"{item.name} = …")
            items[index] = replace(item, value=relation.value, span=relation.span)
            return None
    for index, item in enumerate(items):
        if not isinstance(item, tree.Declaration) or item.name != ".".join(target.parts[: item.name.count(".") + 1]):
            continue
        rest = target.parts[item.name.count(".") + 1 :]
        if not rest:
            return error(
                "E0303", f"`{item.name}` is a {item.kind}; name a quantity of it", target.span, help=f"{item.name}.gpus"
            )
        if item.value is not None:
            return error("E0405", f"`{item.name}` is read from a file", target.span, help="change the file")
        own = replace(relation, target=tree.Name(rest, target.span))
        items[index] = _replaced(item, own, items)
        return None
    if target.parts[0] == "fleet" and len(target.parts) > 1:
        span = target.span
        body = replace(relation, target=tree.Name(target.parts[1:], span))
        items.append(
            tree.Declaration(
                kind="fleet",
                name="fleet",
                base=None,
                value=None,
                body=(body,),
                span=relation.span,
                kind_span=span,
                name_span=span,
            )
        )
        return None
    known = [item.name for item in items if isinstance(item, tree.Declaration | tree.Let)]
    owner = target.parts[0]
    return error(
        "E0301",
        f"the plan declares no `{owner}`",
        target.span,
        help=near(owner, known) or f"write {WRITTEN}",
    )


def _replaced(item: tree.Declaration, relation: tree.Relation, items: list[tree.Item]) -> tree.Declaration:
    base = item.base.text if isinstance(item.base, tree.Name | tree.String) else None
    inherited: tuple[tree.Relation, ...] = ()
    if base is not None and item.kind in ("inference", "training"):
        own = {line.target.text for line in item.body}
        for other in items:
            if isinstance(other, tree.Declaration) and other.name == base and relation.target.text not in own:
                inherited = tuple(line for line in other.body if line.target.text == relation.target.text)
    body = (*inherited, *item.body)
    kept = tuple(line for line in body if not _gives_way(line, relation))
    return replace(item, body=(*kept, relation))


def _gives_way(line: tree.Relation, to: tree.Relation) -> bool:
    if line.target.text != to.target.text:
        return False
    return SIDES[to.operator] == "set" or SIDES[line.operator] == SIDES[to.operator]
