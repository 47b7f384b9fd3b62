"""What a plan declares: names collected, `let` values computed, the fields of rows read."""

from __future__ import annotations

from fractions import Fraction

from planner.diagnostics import Span
from planner.language.choices import environment, one
from planner.language.declared.fields import FIELDS_BY_KIND, SETS
from planner.language.expressions.evaluate import parts
from planner.language.expressions.lower import constant
from planner.language.expressions.types import Env
from planner.language.problem import Value
from planner.language.quantities.quantity import BOTH, Quantity
from planner.language.scope import Scope, near, nearest
from planner.record import dataclass
from planner.syntax import tree

EDITIONS = (2026,)
DECLARATIONS = (*BOTH, "model", "gpu", "offer", "format", "measurement", "fleet")


def collect(file: tree.File, scope: Scope) -> None:
    """Note every declaration and `let` by name; report what is declared twice, hides a shipped id or is not a kind."""
    seen: dict[str, tuple[Span, Span]] = {}
    edition: Span | None = None
    for item in file.items:
        if isinstance(item, tree.Edition):
            if item.year not in EDITIONS:
                scope.error("E0403", f"edition {item.year} is not known", item.span, help="edition 2026")
            elif edition is not None and edition.path == item.span.path:
                scope.error(
                    "E0302",
                    "the edition is stated twice",
                    item.span,
                    secondary=((edition, "first stated here"),),
                    help="leave one out",
                )
            edition = edition or item.span
        if not isinstance(item, tree.Declaration | tree.Let):
            continue
        if isinstance(item, tree.Declaration) and item.kind == "fleet":
            if item.base is not None or item.value is not None or not item.name.endswith("fleet"):
                scope.error("E0405", "a fleet has no name and no base", item.name_span, help="fleet { cost <= $40/h }")
            continue
        if isinstance(item, tree.Declaration) and item.kind not in DECLARATIONS:
            scope.error(
                "E0301",
                f"unknown kind of declaration `{item.kind}`",
                item.kind_span,
                help=near(item.kind, DECLARATIONS) or f"there are {', '.join(DECLARATIONS)}",
            )
            scope.broken.add(item.name)
            continue
        if item.name in seen:
            name_span, span = seen[item.name]
            if span != item.span:
                scope.error(
                    "E0302",
                    f"`{item.name}` is declared twice",
                    item.name_span,
                    secondary=((name_span, "first declared here"),),
                    help="rename or remove one of them",
                )
            continue
        seen[item.name] = (item.name_span, item.span)
        _hides(item, scope)
        if isinstance(item, tree.Let):
            scope.let_nodes[item.name] = item
        else:
            scope.declared[item.name] = item


def _hides(item: tree.Declaration | tree.Let, scope: Scope) -> None:
    if item.name in ("workloads", "fleet"):
        scope.error("E0304", f"`{item.name}` means all workloads together", item.name_span, help="take another name")
        return
    for kind in ("gpu", "format", "model", "engine"):
        if item.name in scope.catalog.table(f"{kind}s"):
            scope.error(
                "E0304",
                f"`{item.name}` hides the shipped {kind} of that name",
                item.name_span,
                help=f"take another name, like `our_{item.name}`",
            )
            return


def compute_lets(scope: Scope) -> None:
    """Compute each `let` after those it reads; a circle is one finding."""
    done: dict[str, bool] = {}  # False while the names it reads are computed
    for first in sorted(scope.let_nodes):
        stack = [first]
        while stack:
            name = stack[-1]
            if done.get(name):
                stack.pop()
                continue
            needed = [item for item in _lets_in(scope.let_nodes[name].value, scope) if not done.get(item)]
            circular = next((item for item in needed if item == name or done.get(item) is False), None)
            if circular is not None:
                _circle(circular, scope)
                cut = stack.index(circular)
                done |= dict.fromkeys((item for item in stack[cut:] if item in done or item == name), True)
                stack = stack[:cut]
            elif needed:
                done[name] = False
                stack += needed
            else:
                measure = constant(scope.let_nodes[name].value, environment(scope))
                if measure is not None:
                    scope.lets[name] = measure
                done[name] = True
                stack.pop()


def _circle(name: str, scope: Scope) -> None:
    let = scope.let_nodes[name]
    scope.error("E0306", f"`{name}` is defined by itself", let.name_span, help="give one of them a value of its own")


def _lets_in(node: tree.Expression, scope: Scope) -> list[str]:
    names: list[str] = []
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, tree.Name) and item.text in scope.let_nodes:
            names.append(item.text)
        pending += parts(item)
    return names


def base_of(declaration: tree.Declaration, scope: Scope) -> tree.Declaration | None:
    """Return the declaration a `like` names, None where there is none or a finding says why not."""
    if declaration.base is None:
        return None
    name = scope.spelled(declaration.base) or ""
    base = scope.declared.get(name)
    if base is None or base.kind != declaration.kind:
        return None
    if base is declaration:
        scope.error("E0306", f"`{name}` is like itself", declaration.base.span, help="name another base")
    elif base.base is not None:
        scope.error(
            "E0405",
            f"`{name}` is itself like another {base.kind}: `like` copies one level",
            declaration.base.span,
            secondary=((base.base.span, "it copies this"),),
            help=f"write `like {scope.spelled(base.base)}` and repeat what `{name}` changes",
        )
    else:
        return base
    scope.broken.add(declaration.name)
    return None


@dataclass(frozen=True, slots=True)
class StatedFields:
    """The fields a declaration states: values by name, sets of words, `peak` by format, and where each stands.

    `meant` are those that a misspelled name stands for.
    """

    values: dict[str, Value]
    sets: dict[str, tuple[str, ...]]
    peaks: dict[str, Fraction]
    spans: dict[str, Span]
    meant: set[str]


def read_fields(declaration: tree.Declaration, scope: Scope) -> StatedFields:
    """Return the fields of a model, GPU, offer or format as they are stated; each mistake is noted."""
    kind = declaration.kind
    table = {name: row for name, row in FIELDS_BY_KIND[kind].items() if row.role == "given"}
    said = StatedFields({}, {}, {}, {}, set())
    env = environment(scope)
    for relation in declaration.body:
        name = relation.target.parts[0]
        row = table.get(name)
        if row is None or (len(relation.target.parts) > 1 and name != "peak"):
            meant = nearest(name, table)
            scope.error(
                "E0303",
                f"{'an' if kind[0] in 'aeio' else 'a'} {kind} has no `{relation.target.text}`",
                relation.target.span,
                help=f"did you mean `{meant}`?" if meant else f"it has {', '.join(table)}",
            )
            if meant is not None:
                said.meant.add(meant)
        elif relation.operator != "=":
            scope.error("E0402", f"`{name}` of a {kind} takes `=`", relation.span, help=f"{name} = …")
        elif relation.per_layer or relation.because is not None:
            scope.error(
                "E0405", f"`{name}` of a {kind} takes a value alone", relation.span, help="leave out what follows it"
            )
        elif relation.target.text in said.spans:
            scope.error(
                "E0302",
                f"`{relation.target.text}` is set twice",
                relation.target.span,
                secondary=((said.spans[relation.target.text], "first set here"),),
                help="leave one out",
            )
        else:
            said.spans[relation.target.text] = relation.target.span
            _read_field(row, relation, said, env)
    return said


def _read_field(row: Quantity, relation: tree.Relation, said: StatedFields, env: Env) -> None:
    name, scope = row.name, env.scope
    if name in SETS:
        items = relation.value.items if isinstance(relation.value, tree.SetOf) else (relation.value,)
        words = [scope.spelled(item) for item in items]
        if any(word is None for word in words):
            scope.error("E0402", f"`{name}` takes a set of names", relation.value.span, help="{a, b}")
        else:
            said.sets[name] = tuple(_canonical(name, str(word), scope) for word in words)
        return
    if name == "peak":
        parts_ = relation.target.parts[1:]
        if not parts_:
            scope.error("E0303", "`peak` is one of a format", relation.target.span, help="peak.bf16 = 989 TFLOPS")
            return
        number_format = scope.find("format", tree.Name(parts_, relation.target.span))
        value = one(row, relation.value, env)
        if number_format is not None and isinstance(value, Fraction):
            said.peaks[number_format.id] = value
        return
    value = one(row, relation.value, env)
    if value is not None:
        said.values[name] = value


def _canonical(name: str, word: str, scope: Scope) -> str:
    """Return a format's id for an alias of it, in the fields that name formats; else the word as it is."""
    if name not in ("native_formats", "needs"):
        return word
    number_format = scope.catalog.find_format(word)
    return number_format.id if number_format is not None and not isinstance(number_format, tuple) else word
