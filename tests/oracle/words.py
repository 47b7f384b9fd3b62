"""Conditions of rules and preferences as data: as the language writes them, and their value in three-valued logic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

Term = tuple[Any, ...]
Look = Callable[[str, str], Any]
"""From a workload and a quantity to its value: a number in canonical units, a word, or None where nobody knows it."""


def number(value: Fraction | int, text: str | None = None) -> Term:
    """Return a number in canonical units and as it is written."""
    return ("number", Fraction(value), str(value) if text is None else text)


def of(owner: str, quantity: str) -> Term:
    """Return a quantity of a workload; of the owner `w`, of the one that a comprehension is at."""
    return ("of", owner, quantity)


def text(term: Term) -> str:
    """Return a condition as the language writes it."""
    match term:
        case ("number", _, written):
            return str(written)
        case ("word", word):
            return str(word)
        case ("of", owner, quantity):
            return f"{owner}.{quantity}"
        case ("not", inner):
            return f"not ({text(inner)})"
        case ("if", condition, then, otherwise):
            return f"(if {text(condition)} then {text(then)} else {text(otherwise)})"
        case ("each", how, body, where):
            ending = f" where {text(where)}" if where else ""
            return f"{how}({'w' if how == 'count' else text(body)} for w in workloads{ending})"
        case (operator, left, right):
            written = f"{text(left)} {operator} {text(right)}"
            return f"({written})" if operator in ("and", "or", "+", "-") else written
    raise ValueError(term)


def reads(term: Term, names: Sequence[str]) -> set[tuple[str, str]]:
    """Return the quantities a condition reads of the workloads named."""
    match term:
        case ("number", _, _) | ("word", _):
            return set()
        case ("of", owner, quantity):
            return {(name, quantity) for name in (names if owner == "w" else [owner])}
        case ("each", _, body, where):
            found = set() if body is None else reads(body, names)
            return found | {(name, "name") for name in names} | (reads(where, names) if where else set())
    return {pair for part in term if isinstance(part, tuple) for pair in reads(part, names)}


def value(term: Term, look: Look, names: Sequence[str]) -> Any:
    """Return the value of a condition, None where it depends on what nobody knows."""
    match term:
        case ("number", amount, _):
            return amount
        case ("word", word):
            return word
        case ("of", owner, quantity):
            return look(owner, quantity)
        case ("not", inner):
            found = value(inner, look, names)
            return None if found is None else not found
        case ("if", condition, then, otherwise):
            found = value(condition, look, names)
            if found is None:
                left, right = value(then, look, names), value(otherwise, look, names)
                return left if left == right else None
            return value(then if found else otherwise, look, names)
        case ("each", how, body, where):
            return _each(how, body, where, look, names)
        case ("and" | "or" as operator, left, right):
            decisive = operator == "or"
            sides = (value(left, look, names), value(right, look, names))
            return decisive if decisive in sides else None if None in sides else not decisive
        case (operator, left, right):
            a, b = value(left, look, names), value(right, look, names)
            if a is None or b is None:
                return None
            return _OPERATORS[operator](a, b)
    raise ValueError(term)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
}


def compare(operator: str, a: Any, b: Any) -> bool:
    """Return whether a bound holds."""
    return bool(_OPERATORS["==" if operator == "=" else operator](a, b))


def _each(how: str, body: Term | None, where: Term | None, look: Look, names: Sequence[str]) -> Any:
    kept = []
    for name in names:

        def here(owner: str, quantity: str, name: str = name) -> Any:
            return look(name if owner == "w" else owner, quantity)

        taken = True if where is None else value(where, here, names)
        if taken is None:
            return None
        if taken:
            kept.append(1 if body is None else value(body, here, names))
    if how in ("all", "any"):
        decisive = how == "any"
        return decisive if decisive in kept else None if None in kept else not decisive
    if None in kept:
        return None
    if how in ("sum", "count"):
        return sum(kept, Fraction(0))
    return (min if how == "min" else max)(kept) if kept else None
