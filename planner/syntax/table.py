"""The parse table of the grammar, shipped as data beside it: `python -m planner.syntax.table` writes it anew.

Building the table takes lark ten times as long as reading it. The file is plain JSON: the grammar's rules, and for each
state what each symbol leads to, a state n or, as -n - 1, the reduction by rule n. It carries the digest of the grammar
that it was made of; one that belongs to another grammar, or that this lark cannot take, is left and the table built.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lark import Lark, Token
from lark.grammar import NonTerminal, Rule, RuleOptions, Terminal
from lark.lexer import Lexer
from lark.parsers.lalr_analysis import IntParseTable, Reduce, Shift
from lark.parsers.lalr_parser import LALR_Parser
from lark.parsers.lalr_parser import _Parser as _Driver

EDITION = 1
"""Changes with the form of the file."""
OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "start": ["head", "item", "entry"],
    "maybe_placeholders": True,
    "keep_all_tokens": True,
    "priority": "normal",
}
"""What the table depends on beside the grammar."""
Table = dict[str, Any]


class TokenLexer(Lexer):
    """Hands tokens that are already made to lark."""

    def __init__(self, lexer_conf: Any) -> None:
        """Take lark's configuration, of which nothing is needed."""

    def lex(self, data: Any) -> Iterator[Token]:  # type: ignore[override]
        """Yield lark's tokens; the value of each is our lexeme."""
        for item in data:
            yield Token(item.type, item)


def grammar_path() -> Path:
    """Return where grammar/mem.lark is, in a checkout or in an installed wheel."""
    here = Path(__file__).resolve()
    checkout = here.parents[2] / "grammar" / "mem.lark"
    return checkout if checkout.is_file() else here.parents[1] / "_data" / "grammar" / "mem.lark"


def table_path() -> Path:
    """Return where the table is: beside the grammar."""
    return grammar_path().with_name("mem.table.json")


def parser(transformer: Any) -> Lark:
    """Return lark's parser of the grammar, by the shipped table where it is the grammar's."""
    grammar = grammar_path().read_bytes()
    try:
        table = json.loads(table_path().read_bytes())
        if table["edition"] == EDITION and table["grammar"] == digest(grammar):
            return load(table, transformer)
    except Exception:  # lark's own classes are filled, and another release may ask for more
        pass
    return build(grammar.decode("utf-8"), transformer)


def digest(grammar: bytes) -> str:
    """Return the SHA-256 of a grammar, whichever line ends it was checked out with."""
    return hashlib.sha256(grammar.replace(b"\r\n", b"\n")).hexdigest()


def build(grammar: str, transformer: Any = None) -> Lark:
    """Return lark's parser of a grammar, its table computed."""
    return Lark(grammar, lexer=TokenLexer, transformer=transformer, **OPTIONS)


class _Parser(LALR_Parser):
    """Lark's parser, its table given as it is: lark would first write down each of its thousands of entries."""

    @classmethod
    def deserialize(  # type: ignore[override]
        cls, data: Any, memo: Any, callbacks: Any, debug: bool = False
    ) -> _Parser:
        """Return the parser of a table."""
        instance = cls.__new__(cls)
        instance._parse_table = data
        instance.parser = _Driver(data, callbacks, debug)
        return instance


def load(table: Table, transformer: Any) -> Lark:
    """Return lark's parser with a table of `tabulate`, by the way its standalone parsers take."""
    rules = dict(enumerate(_rules(table["rules"])))
    symbols = table["symbols"]
    count = len(table["states"])
    actions: list[Any] = [(Shift, number) for number in range(count)]
    actions += [(Reduce, rules[number]) for number in range(len(rules) - 1, -1, -1)]  # -n - 1 is from the end
    states = {
        number: {symbols[at]: actions[to] for at, to in zip(row[::2], row[1::2], strict=True)}
        for number, row in enumerate(table["states"])
    }
    every = [{"@": number} for number in rules]
    conf = {"terminals": [], "ignore": [], "g_regex_flags": 0, "use_bytes": False, "lexer_type": TokenLexer}
    data = {
        "options": {**OPTIONS, "lexer": TokenLexer},
        "rules": every,
        "parser": {
            "lexer_conf": conf,
            "parser_conf": {"rules": every, "start": OPTIONS["start"], "parser_type": "lalr"},
            "parser": IntParseTable(states, table["start"], table["end"]),  # type: ignore[no-untyped-call]
        },
    }
    plugins = {"LALR_Parser": _Parser}
    lark: Lark = Lark._load_from_dict(data, rules, transformer=transformer, _plugins=plugins)  # type: ignore[no-untyped-call]
    return lark


def _rules(rows: list[Any]) -> Iterator[Rule]:
    """Yield the rules; names in capitals are terminals, `!` marks those that a tree leaves out."""
    known: dict[str, Any] = {}
    for origin, order, alias, expand, empty, expansion in rows:
        for name in (origin, *expansion):
            if name not in known:
                terminal = name.isupper()
                known[name] = Terminal(name.lstrip("!"), name[0] == "!") if terminal else NonTerminal(name)
        options = RuleOptions(keep_all_tokens=True, expand1=expand, empty_indices=tuple(empty))
        yield Rule(known[origin], [known[name] for name in expansion], order, alias, options)


def tabulate(built: Lark, grammar: bytes) -> Table:
    """Return the table of a parser that `build` made; the same one for every run and release of lark.

    States are numbered in the order in which they are reached from the starts, symbols by name.
    """
    table: Any = built.parser.parser._parse_table
    rules = sorted(built.rules, key=lambda rule: (str(rule.origin.name), rule.order, _expansion(rule)))
    reduction = {rule: -number - 1 for number, rule in enumerate(rules)}
    order = {start: table.start_states[start] for start in OPTIONS["start"]}
    reached = dict.fromkeys(order.values())
    todo = list(reached)
    while todo:
        for _, (action, target) in sorted(table.states[todo.pop(0)].items()):
            if action is Shift and target not in reached:
                reached[target] = None
                todo.append(target)
    number = {state: place for place, state in enumerate(reached)}
    symbols = sorted({symbol for row in table.states.values() for symbol in row})
    place = {symbol: at for at, symbol in enumerate(symbols)}
    states = [
        [
            part
            for symbol, (action, target) in sorted(table.states[state].items())
            for part in (place[symbol], number[target] if action is Shift else reduction[target])
        ]
        for state in reached
    ]
    return {
        "edition": EDITION,
        "grammar": digest(grammar),
        "rules": [
            [
                str(r.origin.name),
                r.order,
                r.alias,
                bool(r.options.expand1),
                list(r.options.empty_indices),
                _expansion(r),
            ]
            for r in rules
        ],
        "symbols": symbols,
        "start": {name: number[table.start_states[name]] for name in OPTIONS["start"]},
        "end": {name: number[table.end_states[name]] for name in OPTIONS["start"]},
        "states": states,
    }


def _expansion(rule: Any) -> list[str]:
    return [("!" if symbol.is_term and symbol.filter_out else "") + str(symbol.name) for symbol in rule.expansion]


def text(table: Table) -> str:
    """Return a table as the file holds it: a line a rule and a state."""
    lines = []
    for name, value in table.items():
        rows = ",\n".join(" " + json.dumps(row, separators=(",", ":")) for row in value) if name in _LONG else ""
        lines.append(f'"{name}": ' + (f"[\n{rows}\n]" if rows else json.dumps(value)))
    return "{\n" + ",\n".join(lines) + "\n}\n"


_LONG = ("rules", "states")


def fresh() -> str:
    """Return the file that belongs to the grammar as it is now."""
    grammar = grammar_path().read_bytes()
    return text(tabulate(build(grammar.decode("utf-8")), grammar))


if __name__ == "__main__":
    table_path().write_text(fresh(), encoding="utf-8")
