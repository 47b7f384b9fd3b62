"""Comprehensions over workloads, written out: `sum(w.cost for w in workloads where w.gpus > 1)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from planner.language.copies import each_of
from planner.language.expressions.evaluate import parts
from planner.language.expressions.types import Env, Typed
from planner.language.scope import near
from planner.syntax import tree

LIMIT = 200_000
"""The most terms that all comprehensions of a plan may be written out to: some seconds, some 100 MB."""


class Lowering(NamedTuple):
    """How expressions are lowered, for what is written out before (lower.py asks for it)."""

    functions: tuple[str, ...]
    lower: Callable[[tree.Expression, Env], Typed | None]
    truth: Callable[[tree.Expression, Env], tree.Expression | None]
    fold: Callable[[tree.Expression], bool | None]
    gather: Callable[[tree.Call | tree.Comprehension, list[Typed], Env], Typed | None]


def expand(node: tree.Comprehension, env: Env, how: Lowering) -> Typed | None:
    """Return a comprehension as a call over one item a workload, or None after a finding.

    An item whose condition is false whatever is chosen (`w.kind == training`) is left out before its body is
    read, so that the body may speak of what only one kind of workload has.
    """
    scope = env.scope
    if node.function not in how.functions:
        scope.error(
            "E0301",
            f"unknown function `{node.function}`",
            node.span,
            help=near(node.function, how.functions) or f"there are {', '.join(how.functions)}",
        )
        return None
    owners = _owners(node.source, env)
    if owners is None:
        return None
    if not env.loop and not has_room(written_out(node, len(env.workloads) + more_of(env)), node, env):
        return None
    items: list[Typed] = []
    good = True
    for owner in owners:
        inner = replace(env, loop={**env.loop, node.variable: owner})
        taken, conditions = _conditions(node.condition, inner, how)
        if taken is False:
            continue
        body = how.lower(node.body, inner)
        if body is None or taken is None:
            good = False
            continue
        items.append(Typed(_taken(node, conditions, body.node), body.type))
    if not good:
        return None
    if not items and node.function in ("sum", "min", "max"):
        scope.error("E0501", f"`{node.function}` of no workload", node.span, help="no workload meets its `where`")
        return None
    return how.gather(node, items, env)


def has_room(count: int, node: tree.Expression, env: Env) -> bool:
    """Return whether a plan may have so many terms more, and count them; note where it may not."""
    if env.scope.terms + count <= LIMIT:
        env.scope.terms += count
        return True
    message = f"written out, this has {count:_} terms"
    if env.scope.terms and count <= LIMIT:
        message += f", and what stands before it has {env.scope.terms:_}"
    help = f"a plan may have {LIMIT:_}: nest fewer comprehensions, or name the workloads: `for w in {{a, b}}`"
    env.scope.error("E0406", message, node.span, help=help)
    return False


def written_out(node: tree.Expression, workloads: int) -> int:
    """Return how many terms an expression has once its comprehensions are written out over so many workloads."""
    match node:
        case tree.Comprehension():
            owners = len(node.source.items) if isinstance(node.source, tree.SetOf) else workloads
            inner = written_out(node.body, workloads)
            return 1 + owners * (inner + (0 if node.condition is None else written_out(node.condition, workloads)))
        case tree.Name() if node.parts[0] == "fleet":
            return workloads
    return 1 + sum(written_out(part, workloads) for part in parts(node))


def _taken(node: tree.Comprehension, condition: tree.Expression | None, body: tree.Expression) -> tree.Expression:
    """Return an item that counts only where its condition holds; of `all` and `any` plain logic says so."""
    if condition is None:
        return body
    match node.function:
        case "all":
            return tree.Binary("or", tree.Unary("not", condition, node.span), body, node.span)
        case "any":
            return tree.Binary("and", condition, body, node.span)
    return tree.Call("when", (condition, body), node.span)


def more_of(env: Env) -> int:
    """Return how many workloads a plan has beside one of each block."""
    return sum(env.copies.values()) - len(env.copies)


def _owners(source: tree.Expression, env: Env) -> list[str] | None:
    names = _blocks(source, env)
    if names is None:
        return None
    every = sum(env.copies.get(block, 1) for block in names)
    if isinstance(source, tree.SetOf) and every > len(names) and not has_room(every - len(names), source, env):
        return None
    return [one for block in names for one in each_of(block, env.copies.get(block, 1))]


def _blocks(source: tree.Expression, env: Env) -> list[str] | None:
    if isinstance(source, tree.Name) and source.text == "workloads":
        return sorted(env.workloads)
    if isinstance(source, tree.SetOf):
        names = [item.text for item in source.items if isinstance(item, tree.Name) and item.text in env.workloads]
        if len(names) == len(source.items):
            return list(dict.fromkeys(names))
        for item in source.items:
            if not (isinstance(item, tree.Name) and item.text in env.workloads):
                help = near(item.text, env.workloads) if isinstance(item, tree.Name) else None
                way = help or "name workloads of this plan"
                env.scope.error("E0301", "this is not a workload", item.span, help=way)
        return None
    env.scope.error("E0402", "a comprehension goes over workloads", source.span, help="for w in workloads")
    return None


def _conditions(node: tree.Expression | None, env: Env, how: Lowering) -> tuple[bool | None, tree.Expression | None]:
    """Return whether an item is taken (None after a finding), and the condition that only a choice decides."""
    if node is None:
        return True, None
    left: tree.Expression | None = None
    for part in _conjuncts(node):
        lowered = how.truth(part, env)
        if lowered is None:
            return None, None
        known = how.fold(lowered)
        if known is False:
            return False, None
        if known is None:
            left = lowered if left is None else tree.Binary("and", left, lowered, part.span)
    return True, left


def _conjuncts(node: tree.Expression) -> list[tree.Expression]:
    if isinstance(node, tree.Binary) and node.operator == "and":
        return [*_conjuncts(node.left), *_conjuncts(node.right)]
    return [node]
