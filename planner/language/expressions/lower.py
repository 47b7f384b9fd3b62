"""Expressions checked and lowered: every name bound, every unit made one, comprehensions written out.

What comes out is closed: no `let`, no loop, no alias of a format or GPU is left in it, so that its evaluation
(evaluate.py) meets no mistake. One mistake is one finding; None says that it is already noted.
"""

from __future__ import annotations

from dataclasses import replace

from planner.language.expressions import comprehend
from planner.language.expressions.evaluate import evaluate, names
from planner.language.expressions.magnitude import LONGEST, STEEPEST, WIDEST, Magnitude, magnitude, steep
from planner.language.expressions.types import BOOLEAN, PLAIN, TEXT, Env, Type, Typed, same_words, vocabulary
from planner.language.names import bare, bind, word
from planner.language.problem import Measure
from planner.language.scope import near
from planner.language.sets import filtered, steps
from planner.syntax import tree
from planner.units.canonical import canonical, named, product, together
from planner.units.quantity import DATE, UNITS

FUNCTIONS = ("sum", "all", "any", "min", "max", "count")
COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")


def lower(node: tree.Expression, env: Env, expected: Type | None = None) -> Typed | None:
    """Return an expression lowered and typed; `expected` says what a bare word means. None after a finding."""
    scope = env.scope
    match node:
        case tree.Number():
            return _number(node, env)
        case tree.Boolean():
            return Typed(node, BOOLEAN)
        case tree.String() | tree.Name():
            bound = None if _said(node, expected) else bind(node, env) if isinstance(node, tree.Name) else None
            if bound is not None:
                return bound if isinstance(bound, Typed) else None
            return word(node, env, expected)
        case tree.Unary():
            return _unary(node, env)
        case tree.Binary():
            return _binary(node, env)
        case tree.Conditional():
            return _conditional(node, env, expected)
        case tree.Call() if node.function in FUNCTIONS:
            return _call(node, env)
        case tree.Call():
            if node.function in ("config", "checkpoint"):
                scope.error("E0405", f"`{node.function}` reads a model", node.span, help='model NAME = config("path")')
            else:
                scope.error(
                    "E0301",
                    f"unknown function `{node.function}`",
                    node.span,
                    help=near(node.function, FUNCTIONS) or f"there are {', '.join(FUNCTIONS)}",
                )
        case tree.Comprehension():
            return comprehend.expand(node, env, comprehend.Lowering(FUNCTIONS, lower, truth, fold, gather))
        case tree.Filter() if (inner := _inward(node)) is not None:
            return lower(inner, env, expected)
        case tree.SetOf() | tree.Range() | tree.AnyOf() | tree.Filter():
            scope.error("E0402", "one value stands here, not a set", node.span, help="a set follows `in`")
    return None


def _said(node: tree.Expression, expected: Type | None) -> bool:
    """Return whether a name is one of the words that its quantity takes, whatever else is called so."""
    quantity = None if expected is None else expected.quantity
    return quantity is not None and isinstance(node, tree.Name) and node.text in quantity.words


def constant(node: tree.Expression, env: Env, expected: Type | None = None) -> Measure | None:
    """Return the value of an expression that reads no workload, or None after a finding."""
    typed = lower(node, env, expected)
    if typed is None:
        return None
    if names(typed.node):
        env.scope.error(
            "E0405",
            "this value must be known before solving",
            node.span,
            help="relate quantities of workloads in a `require`",
        )
        return None
    measure = evaluate(typed.node, lambda *_: None)
    if measure is None:
        env.scope.error("E0403", "this has no value: it divides by zero", node.span, "divide by something else")
    return measure


def fold(node: tree.Expression) -> bool | None:
    """Return the truth of a condition that needs no workload's value, else None."""
    measure = evaluate(node, lambda *_: None)
    return measure.value if measure is not None and isinstance(measure.value, bool) else None


def _number(node: tree.Number, env: Env) -> Typed | None:
    if node.unit not in (None, DATE) and node.unit not in UNITS:
        return None  # the lexer has already said so
    value, unit = canonical(node.value, node.unit)
    return Typed(replace(node, value=value, unit=unit), Type("number", unit))


def _unary(node: tree.Unary, env: Env) -> Typed | None:
    inner = lower(node.operand, env)
    if inner is None:
        return None
    wanted = "boolean" if node.operator == "not" else "number"
    if inner.type.kind != wanted:
        what = "a condition" if wanted == "boolean" else "a number"
        way = "compare it first, in parentheses" if wanted == "boolean" else None
        env.scope.error("E0402", f"`{node.operator}` takes {what}, this is {inner.type}", node.operand.span, way)
        return None
    return Typed(replace(node, operand=inner.node), replace(inner.type, quantity=None))


def _conditional(node: tree.Conditional, env: Env, expected: Type | None) -> Typed | None:
    condition = truth(node.condition, env)
    then = lower(node.then, env, expected)
    otherwise = lower(node.otherwise, env, expected or (then.type if then else None))
    if condition is None or then is None or otherwise is None:
        return None
    if not _same_dimension(then.type, otherwise.type, env):
        env.scope.error(
            "E0401",
            f"the branches differ: {then.type} and {otherwise.type}",
            node.span,
            secondary=((node.then.span, str(then.type)), (node.otherwise.span, str(otherwise.type))),
            help="both branches need one type",
        )
        return None
    return Typed(replace(node, condition=condition, then=then.node, otherwise=otherwise.node), then.type)


def truth(node: tree.Expression, env: Env) -> tree.Expression | None:
    """Return a condition lowered, or None after a finding."""
    typed = lower(node, env)
    if typed is None:
        return None
    if typed.type.kind != "boolean":
        env.scope.error(
            "E0402", f"a condition stands here, this is {typed.type}", node.span, help="compare it: `==`, `<=`, `in` …"
        )
        return None
    return typed.node


def _same_dimension(left: Type, right: Type, env: Env) -> bool:
    if left.kind != right.kind:
        return False
    if left.kind == "number":
        return together(left.unit, right.unit)
    return left.kind == "boolean" or same_words(left, right, env)


def _binary(node: tree.Binary, env: Env) -> Typed | None:
    operator = node.operator
    if operator in ("and", "or"):
        left_truth, right_truth = truth(node.left, env), truth(node.right, env)
        if left_truth is None or right_truth is None:
            return None
        return Typed(replace(node, left=left_truth, right=right_truth), BOOLEAN)
    if operator == "in":
        return _member(node, env)
    if operator in COMPARISONS and bare(node.left, env) and not bare(node.right, env):
        right = lower(node.right, env)
        left = None if right is None else lower(node.left, env, right.type)
    else:
        left = lower(node.left, env)
        right = lower(node.right, env, left.type if left else None) if left or not bare(node.right, env) else None
    if left is None or right is None:
        return None
    if operator in COMPARISONS:
        return _compare(node, left, right, env)
    for side, part in ((left, node.left), (right, node.right)):
        if side.type.kind != "number":
            env.scope.error(
                "E0402",
                f"`{operator}` takes numbers, this is {side.type}",
                part.span,
                help="use a quantity that is one",
            )
            return None
    if DATE in (left.type.unit, right.type.unit):
        env.scope.error(
            "E0402", f"`{operator}` takes numbers, this is a date", node.span, help="compare it: as_of >= …"
        )
        return None
    if operator == "/" and _is_zero(right.node):
        env.scope.error("E0403", "this has no value: it divides by zero", node.right.span, "divide by something else")
        return None
    lowered = replace(node, left=left.node, right=right.node)
    if operator in "+-":
        if not together(left.type.unit, right.type.unit):
            _units_differ(node, left.type, right.type, env)
            return None
        return _bounded(Typed(lowered, Type("number", left.type.unit or right.type.unit)), env)
    unit = product(left.type.unit, right.type.unit, operator == "/")[1]
    if steep(unit):
        message = f"this unit has a power beyond {STEEPEST}"
        env.scope.error("E0406", message, node.span, help="divide by a unit that cancels it")
        return None
    return _bounded(Typed(lowered, Type("number", unit)), env)


def _bounded(typed: Typed, env: Env) -> Typed | None:
    """Return arithmetic whose numbers stay short enough to be computed exactly, or None after a finding."""
    size: Magnitude = magnitude(typed.node)
    if not size.too_large:
        return typed
    most = WIDEST if size.reads else LONGEST
    message = f"this number is too large: exact arithmetic ends at {most:_} bits ({most * 301 // 1000:_} digits)"
    env.scope.error("E0406", message, typed.node.span, help="round it, or use smaller factors")
    return None


def _is_zero(node: tree.Expression) -> bool:
    """Return whether an expression is zero whatever the workloads are."""
    value = None if names(node) else evaluate(node, lambda *_: None)
    return value is not None and value.value == 0 and value.value is not False


def _units_differ(node: tree.Binary, left: Type, right: Type, env: Env) -> None:
    env.scope.error(
        "E0401",
        f"units differ: {named(left.unit)} {node.operator} {named(right.unit)}",
        node.span,
        help="write a date: 2026-06-01" if DATE in (left.unit, right.unit) else "both sides of it need one dimension",
        secondary=((node.left.span, f"this is {named(left.unit)}"), (node.right.span, f"this is {named(right.unit)}")),
    )


def _compare(node: tree.Binary, left: Typed, right: Typed, env: Env) -> Typed | None:
    a, b = left.type, right.type
    if a.kind != b.kind or (a.kind == "word" and not same_words(a, b, env)):
        env.scope.error(
            "E0402",
            f"{a} cannot be compared with {b}",
            node.span,
            secondary=((node.left.span, f"this is {a}"), (node.right.span, f"this is {b}")),
            help="compare like with like",
        )
        return None
    if a.kind == "number" and not together(a.unit, b.unit):
        _units_differ(node, a, b, env)
        return None
    if a.kind == "words" or (a.kind != "number" and node.operator not in ("==", "!=")):
        env.scope.error("E0402", f"{a} has no order", node.span, help="compare it with `==`, `!=` or `in`")
        return None
    return Typed(replace(node, left=left.node, right=right.node), BOOLEAN)


def _member(node: tree.Binary, env: Env) -> Typed | None:
    if isinstance(node.right, tree.Name):
        return _asks_set(node, node.right, env)
    left = lower(node.left, env)
    if left is None:
        return None
    items = _items(node.right, left, env)
    return None if items is None else Typed(items, BOOLEAN)


def _asks_set(node: tree.Binary, field: tree.Name, env: Env) -> Typed | None:
    """`fp8_e4m3 in native_formats`: a field that holds several words."""
    held = env.fields.get(field.text)
    if held is None or held.kind != "words":
        env.scope.error("E0402", f"`{field.text}` is not a set", field.span, help="write {a, b} or a range")
        return None
    asked = word(node.left, env, Type("word", words=held.words, quantity=held.quantity))
    if asked is None or not isinstance(asked.node, tree.String):
        return None
    return Typed(tree.Name((field.text, asked.node.text), node.span), BOOLEAN)


def _inward(node: tree.Filter) -> tree.Expression | None:
    """Return `(… and a in any) where c` as it is meant, `… and a in (any where c)`; None where nothing is asked."""
    source = node.source
    if isinstance(source, tree.Binary) and source.operator == "in":
        return replace(source, right=tree.Filter(source.right, node.condition, node.span), span=node.span)
    if isinstance(source, tree.Binary) and source.operator in ("and", "or"):
        inner = _inward(replace(node, source=source.right))
        return None if inner is None else replace(source, right=inner, span=node.span)
    if isinstance(source, tree.Unary):
        inner = _inward(replace(node, source=source.operand))
        return None if inner is None else replace(source, operand=inner, span=node.span)
    return None


def _items(right: tree.Expression, left: Typed, env: Env) -> tree.Expression | None:
    """Return the condition that `left` is in a set."""
    match right:
        case tree.SetOf():
            if not right.items:
                env.scope.error("E0501", "nothing is in an empty set", right.span, help="name at least one value")
                return None
            items = [_items(item, left, env) for item in right.items]
            good = [item for item in items if item is not None]
            return tree.Call("any", tuple(good), right.span) if len(good) == len(items) else None
        case tree.Range():
            return _in_range(right, left, env)
        case tree.AnyOf():
            return tree.Boolean(True, right.span)
        case tree.Filter():
            kept = filtered(left.type, right, env, truth)
            if kept is None or not comprehend.has_room(len(kept), right, env):
                return None
            texts = tuple(tree.String(item, right.span) for item in kept)
            return tree.Binary("in", left.node, tree.SetOf(texts, right.span), right.span)
    item = lower(right, env, left.type)
    if item is None:
        return None
    compared = _compare(tree.Binary("==", right, right, right.span), left, item, env)
    return None if compared is None else tree.Binary("==", left.node, item.node, right.span)


def _in_range(right: tree.Range, left: Typed, env: Env) -> tree.Expression | None:
    if right.step is not None:
        values = steps(right, env, left.type, constant)
        if values is None or not comprehend.has_room(len(values), right, env):
            return None
        numbers = tuple(tree.Number(value, left.type.unit, str(value), right.span) for value in values)
        return tree.Binary("in", left.node, tree.SetOf(numbers, right.span), right.span)
    low = lower(right.low, env, left.type)
    high = lower(right.high, env, left.type)
    if low is None or high is None:
        return None
    below = _compare(tree.Binary(">=", right, right.low, right.span), left, low, env)
    above = below and _compare(tree.Binary("<=", right, right.high, right.span), left, high, env)
    if below is None or above is None:
        return None
    sides = (
        tree.Binary(">=", left.node, low.node, right.span),
        tree.Binary("<=", left.node, high.node, right.span),
    )
    return tree.Binary("and", *sides, right.span)


def _call(node: tree.Call, env: Env) -> Typed | None:
    if not node.arguments:
        env.scope.error("E0402", f"`{node.function}` of nothing", node.span, help=f"{node.function}(a, b)")
        return None
    typed = [lower(item, env) for item in node.arguments]
    items = [item for item in typed if item is not None]
    return gather(node, items, env) if len(items) == len(typed) else None


def gather(node: tree.Call | tree.Comprehension, items: list[Typed], env: Env) -> Typed | None:
    """Return sum, all, any, min, max or count of items whose types go together, or None after a finding."""
    function = node.function
    nodes = tuple(item.node for item in items)
    call = tree.Call(function, nodes, node.span)
    if function == "count":
        return Typed(call, PLAIN)
    wanted = "boolean" if function in ("any", "all") else "number"
    unit: str | None = None
    first = items[0] if items else None
    for item in items:
        if item.type.kind != wanted:
            what = "conditions" if wanted == "boolean" else "numbers"
            way = "compare each: `all(w.gpus > 1 for …)`" if wanted == "boolean" else "name a quantity with a number"
            env.scope.error("E0402", f"`{function}` takes {what}, this is {item.type}", item.node.span, way)
            return None
        if wanted == "number" and not together(unit or item.type.unit, item.type.unit):
            env.scope.error(
                "E0401",
                f"units differ: {named(unit)} and {named(item.type.unit)}",
                item.node.span,
                label=f"this is {named(item.type.unit)}",
                secondary=((first.node.span if first else node.span, f"this is {named(unit)}"),),
                help=f"`{function}` needs items of one dimension",
            )
            return None
        if unit is None and item.type.unit is not None:
            unit, first = item.type.unit, item
    typed = Typed(call, BOOLEAN if wanted == "boolean" else Type("number", unit))
    return _bounded(typed, env) if function == "sum" else typed


__all__ = ["TEXT", "constant", "fold", "gather", "lower", "truth", "vocabulary"]
