"""What each rule of the grammar becomes in the tree; lark calls it while it parses."""

from __future__ import annotations

import re
from typing import Any

from lark import Transformer

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.syntax import tree


class Mistake(Exception):
    """A mistake the grammar alone does not see."""

    def __init__(self, message: str, span: Span, help: str | None = None) -> None:
        """Keep it as a diagnostic."""
        super().__init__(message)
        self.diagnostic: Diagnostic = error("E0102", message, span, help=help or "see `planner init` for the forms")


def join(first: Span, last: Span) -> Span:
    """Return the span from the start of one to the end of another."""
    return Span(first.path, first.start, max(first.end, last.end), first.line, first.column)


def _text(token: Any) -> str:
    return re.sub(r"\\(.)", r"\1", token.value.text.removeprefix('"').removesuffix('"'))


def _at(thing: Any) -> Span:
    span: Span = thing.value.span if hasattr(thing, "value") and hasattr(thing, "type") else thing.span
    return span


def _word(token: Any, word: str) -> None:
    if token.value.text != word:
        raise Mistake(f"`{token.value.text}` cannot stand here", _at(token), f"write `{word}`")


class Builder(Transformer[Any, Any]):
    """One method for each rule or alias of grammar/mem.lark."""

    def name(self, c: list[Any]) -> Any:  # noqa: D102
        names = [t for t in c if t.type == "NAME"]
        return tree.Name(tuple(t.value.text for t in names), join(_at(names[0]), _at(names[-1])))

    def string(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.String(_text(c[0]), _at(c[0]))

    def number(self, c: list[Any]) -> Any:  # noqa: D102
        item = c[0].value
        return tree.Number(item.value, item.unit, item.text, item.span)

    def boolean(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Boolean(c[0].value.text == "true", _at(c[0]))

    def any_of(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.AnyOf(_at(c[0]))

    def group(self, c: list[Any]) -> Any:  # noqa: D102
        return c[1]

    def items(self, c: list[Any]) -> Any:  # noqa: D102
        return [x for x in c if x is not None and not hasattr(x, "type")]

    def set_of(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.SetOf(tuple(c[1] or ()), join(_at(c[0]), _at(c[-1])))

    def function(self, c: list[Any]) -> Any:  # noqa: D102
        return c[0]

    def call(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Call(c[0].value.text, tuple(c[2] or ()), join(_at(c[0]), _at(c[-1])))

    def condition(self, c: list[Any]) -> Any:  # noqa: D102
        return c[1]

    def comprehension(self, c: list[Any]) -> Any:  # noqa: D102
        function, _, body, _, variable, _, source, where, end = c
        span = join(_at(function), _at(end))
        return tree.Comprehension(function.value.text, body, variable.value.text, source, where, span)

    def filter(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Filter(c[0], c[2], join(c[0].span, c[2].span))

    def conditional(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Conditional(c[1], c[3], c[5], join(_at(c[0]), c[5].span))

    def binary(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Binary(c[1].value.text, c[0], c[2], join(c[0].span, c[2].span))

    def compare_op(self, c: list[Any]) -> Any:  # noqa: D102
        return c[0]

    relation_op = direction = compare_op

    def compare(self, c: list[Any]) -> Any:  # noqa: D102
        return self.binary(c)

    def unary(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Unary(c[0].value.text, c[1], join(_at(c[0]), c[1].span))

    def span(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Range(c[0], c[2], None, join(c[0].span, c[2].span))

    def stepped(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Range(c[0], c[2], c[4], join(c[0].span, c[4].span))

    def because(self, c: list[Any]) -> Any:  # noqa: D102
        return _text(c[1])

    def per(self, c: list[Any]) -> Any:  # noqa: D102
        _word(c[1], "layer")
        return True

    def label(self, c: list[Any]) -> Any:  # noqa: D102
        return c[0].value.text

    def relation(self, c: list[Any]) -> Any:  # noqa: D102
        target, operator, value, per, because = c
        span = join(target.span, value.span)
        return tree.Relation(target, operator.value.text, value, bool(per), because, span)

    def drop(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Drop(c[1], join(_at(c[0]), c[1].span))

    def expect(self, c: list[Any]) -> Any:  # noqa: D102
        word, condition, blamed = c[0], c[1], c[-1]
        span = join(_at(word), (blamed or condition).span)
        infeasible = isinstance(condition, tree.Name) and condition.text == "infeasible"
        if blamed is not None and not infeasible:
            raise Mistake("`by` follows only `infeasible`", blamed.span)
        return tree.Expect(None if infeasible else condition, infeasible, blamed, span)

    def edition(self, c: list[Any]) -> Any:  # noqa: D102
        year = c[1].value
        if year.unit or year.value.denominator != 1:
            raise Mistake("an edition is a year", year.span, "write `edition 2026`")
        return tree.Edition(int(year.value), join(_at(c[0]), year.span))

    def import_plain(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Import(_text(c[1]), None, (), join(_at(c[0]), _at(c[1])), _at(c[1]))

    def import_as(self, c: list[Any]) -> Any:  # noqa: D102
        _word(c[2], "as")
        return tree.Import(_text(c[1]), c[3].value.text, (), join(_at(c[0]), _at(c[3])), _at(c[1]))

    def names(self, c: list[Any]) -> Any:  # noqa: D102
        return tuple(t.value.text for t in c if t is not None and t.type == "NAME")

    def import_names(self, c: list[Any]) -> Any:  # noqa: D102
        _word(c[4], "from")
        return tree.Import(_text(c[5]), None, c[2], join(_at(c[0]), _at(c[5])), _at(c[5]))

    def let(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Let(c[1].value.text, c[3], join(_at(c[0]), c[3].span), _at(c[1]))

    def _declared(self, kind: Any, name: Any, base: Any, value: Any) -> Any:
        span = join(_at(kind), _at(name))
        return tree.Declaration(
            kind=kind.value.text,
            name=name.value.text,
            base=base,
            value=value,
            body=(),
            span=span,
            kind_span=_at(kind),
            name_span=_at(name),
        )

    def assigned(self, c: list[Any]) -> Any:  # noqa: D102
        return self._declared(c[0], c[1], None, c[3])

    def fleet_head(self, c: list[Any]) -> Any:  # noqa: D102
        if c[0].value.text != "fleet":
            raise Mistake(f"`{c[0].value.text}` needs a name", _at(c[0]), "only `fleet` has none")
        return self._declared(c[0], c[0], None, None)

    def plain_head(self, c: list[Any]) -> Any:  # noqa: D102
        return self._declared(c[0], c[1], None, None)

    def like_head(self, c: list[Any]) -> Any:  # noqa: D102
        return self._declared(c[0], c[1], c[3], None)

    def test_head(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Test(_text(c[1]), (), join(_at(c[0]), _at(c[1])))

    def require(self, c: list[Any]) -> Any:  # noqa: D102
        word, name, condition, because = c
        return tree.Require(name, condition, because, join(_at(word), condition.span))

    def prefer(self, c: list[Any]) -> Any:  # noqa: D102
        word, name, condition, _, worth, because = c
        return tree.Prefer(name, condition, worth, because, join(_at(word), worth.span))

    def objective(self, c: list[Any]) -> Any:  # noqa: D102
        return tree.Objective(c[0].value.text, c[1], join(_at(c[0]), c[1].span))

    def optimize(self, c: list[Any]) -> Any:  # noqa: D102
        parts = [part for part in c if isinstance(part, tree.Objective)]
        return tree.Optimize(tuple(parts), join(parts[0].span, parts[-1].span))
