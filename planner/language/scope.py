"""What a plan can name: catalog rows, declared rows, `let` values; and the findings collected while it is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.offers import Listing, Offers
from planner.catalog.records import Format, Gpu, Model, Offer, Recovery
from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error, warning
from planner.language.problem import Measure, Measurement
from planner.record import dataclass
from planner.syntax import tree

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.catalog.programs.engines import Engine

SHOWN = 12
"""The longest list of choices that a help line names in full."""


def near(word: str, names: Iterable[str]) -> str | None:
    """Return "did you mean …" for the nearest known word, or None."""
    close = nearest(word, names)
    return None if close is None else f"did you mean `{close}`?"


COMPARED = 50_000
"""How many words one plan's unknown names are compared with: two seconds. Names beyond that get no suggestion."""
LONGEST_WORD = 100
"""Words with more letters are compared with nothing."""
_spent: ContextVar[list[int] | None] = ContextVar("spent", default=None)


@contextmanager
def suggesting() -> Iterator[None]:
    """Let what runs inside share one number of comparisons; a part of a plan shares that of the whole."""
    if _spent.get() is not None:
        yield
        return
    token = _spent.set([0])
    try:
        yield
    finally:
        _spent.reset(token)


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the known word that is meant by a misspelled one, or None; also None where too many were compared."""
    from difflib import get_close_matches

    spent = _spent.get()
    if len(word) > LONGEST_WORD or (spent is not None and spent[0] > COMPARED):
        return None
    choices = list(dict.fromkeys(names))
    if spent is not None:
        spent[0] += len(choices)
    cutoff = 0.5 if len(word) <= 3 else 0.6
    close = get_close_matches(word, choices, n=1, cutoff=cutoff)
    if not close:
        low = {choice.casefold(): choice for choice in choices}
        close = [low[item] for item in get_close_matches(word.casefold(), low, n=1, cutoff=0.6)]
    return close[0] if close else None


def choices(word: str, names: Iterable[str]) -> str | None:
    """Return a help line: the nearest word, else all of them where they are few."""
    listed = sorted(set(names))
    few = f"one of {', '.join(listed)}" if 0 < len(listed) <= SHOWN else None
    return near(word, listed) or few


@dataclass(slots=True)
class Scope:
    """Tables that the passes fill in turn, and what they found wrong.

    `words` and `suited` keep what is asked again and again of all rows: a field's words, a quantity's formats.
    `stated` are the fields that each own offer states, `replaced` the shipped offers that it stands for.
    `terms` counts what comprehensions were written out to so far.
    """

    catalog: Catalog
    path: str = ""
    findings: list[Diagnostic] = field(default_factory=list)
    lets: dict[str, Measure] = field(default_factory=dict)
    let_nodes: dict[str, tree.Let] = field(default_factory=dict)
    declared: dict[str, tree.Declaration] = field(default_factory=dict)
    gpus: dict[str, Gpu] = field(default_factory=dict)
    formats: dict[str, Format] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    engines: dict[str, Engine] = field(default_factory=dict)
    quality: list[Recovery] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    words: dict[str, frozenset[str]] = field(default_factory=dict)
    suited: dict[str, list[str]] = field(default_factory=dict)
    stated: dict[str, frozenset[str]] = field(default_factory=dict)
    replaced: dict[str, tuple[str, ...]] = field(default_factory=dict)
    known: Offers | None = None
    terms: int = 0

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        help: str | None = None,
        label: str = "",
        secondary: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Note a mistake."""
        self.findings.append(error(code, message, span, help=help, label=label, secondary=secondary))

    def warn(
        self,
        code: str,
        message: str,
        span: Span,
        help: str | None = None,
        secondary: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Note what is allowed and doubtful."""
        self.findings.append(warning(code, message, span, help=help, secondary=secondary))

    @property
    def kinds(self) -> dict[str, str]:
        """The workloads' kinds by name."""
        return {name: item.kind for name, item in self.declared.items() if item.kind in ("inference", "training")}

    def every(self, kind: str) -> Iterable[str]:
        """Return all ids of a kind of row: shipped and declared."""
        shipped: Iterable[str]
        own: Iterable[str]
        match kind:
            case "gpu":
                shipped, own = self.catalog.gpus, self.gpus
            case "format":
                shipped, own = self.catalog.formats, self.formats
            case "model":
                shipped, own = self.catalog.models, self.models
            case "engine":
                shipped, own = self.catalog.engines, self.engines
            case "framework":
                shipped, own = (row.id for row in self.catalog.frameworks.values() if not row.unmodelled), ()
            case _:
                shipped, own = self.catalog.offers, self.offers
        return [*shipped, *sorted(own)]

    @property
    def listings(self) -> tuple[Listing, ...]:
        """All offers, unbuilt, once those of the plan are declared."""
        if self.known is None:
            self.known = Offers(self.catalog.offers, self.offers, self.replaced)
        return self.known.listings

    def format(self, key: str) -> Format:
        """Return a number format that is known to exist."""
        return self.formats.get(key) or self.catalog.formats[key]

    def gpu(self, key: str) -> Gpu:
        """Return a GPU that is known to exist."""
        return self.gpus.get(key) or self.catalog.gpus[key]

    def offer(self, key: str) -> Offer:
        """Return an offer that is known to exist."""
        return self.offers.get(key) or self.catalog.offers[key]

    def find(self, kind: str, node: tree.Expression) -> Gpu | Format | Model | Offer | None:
        """Return the row a name or text means; None with a finding where it means none or several."""
        word = self.spelled(node)
        if word is None:
            self.error("E0402", f"a {kind} is a name", node.span, help='a bare id, or a text in `"`')
            return None
        own = self._own(kind, word)
        if own is not None:
            return own
        if word in self.broken and word in self.declared and self.declared[word].kind == kind:
            return None
        row: object
        match kind:
            case "gpu":
                row = self.catalog.find_gpu(word)
            case "format":
                row = self.catalog.find_format(word)
            case "model":
                row = self.catalog.find_model(word)
            case _:
                row = self.catalog.offers.get(word)
        if isinstance(row, tuple):
            ids = ", ".join(sorted(each.id for each in row))
            self.error("E0305", f"`{word}` is ambiguous: it can be {ids}", node.span, help="name one of them")
            return None
        if row is None:
            self._missing(kind, word, node)
            return None
        assert isinstance(row, Gpu | Format | Model | Offer)
        return row

    def _missing(self, kind: str, word: str, node: tree.Expression) -> None:
        other = next((k for k in ("gpu", "format", "model") if k != kind and self._has(k, word)), None)
        if other is not None:
            sample = {"gpu": "l40s", "format": "bf16"}.get(kind, '"owner/name"')
            self.error("E0402", f"`{word}` is a {other}; here stands a {kind}", node.span, help=f"an id like {sample}")
            return
        known = [*self.every(kind), *self._aliases(kind)]
        help = self._meant(word) if kind == "model" else None
        help = help or near(word, known)
        if help is None and kind == "model" and "/" not in word:
            help = 'write its whole id, "owner/name", or declare it: `model NAME { parameters = 13B }`'
        help = help or f"`planner catalog list {kind}s` shows them all"
        self.error("E0301", f"unknown {kind} `{word}`", node.span, help=help)

    def _meant(self, word: str) -> str | None:
        """Return what shipped model a name may mean, by its parts; None where a declared one is as near."""
        from planner.catalog.model_names import meant

        if len(word) > LONGEST_WORD or near(word, self.models):
            return None
        return meant(word, self.catalog).question or None

    def _aliases(self, kind: str) -> list[str]:
        """Return the other names that shipped rows go by; asked only where something is not found."""
        match kind:
            case "gpu":
                return [name for key in self.catalog.gpus for name in self.catalog.gpus[key].aliases]
            case "model":
                return [name for key in self.catalog.models for name in self.catalog.models[key].aliases]
            case "format":
                rows = [self.catalog.formats.row(key) for key in self.catalog.formats]
                return [str(name) for row in rows for name in row.get("aliases", ())]
        return []

    def _own(self, kind: str, word: str) -> Gpu | Format | Model | Offer | None:
        if kind == "gpu":
            return self.gpus.get(word)
        if kind == "format":
            return self.formats.get(word)
        return self.models.get(word) if kind == "model" else self.offers.get(word)

    def _has(self, kind: str, word: str) -> bool:
        if word in self.declared:
            return self.declared[word].kind == kind
        return word in self.every(kind)

    def spelled(self, node: tree.Expression) -> str | None:
        """Return the word of a name or a text, through a `let` that holds a text; None for anything else."""
        if isinstance(node, tree.String):
            return node.text
        if not isinstance(node, tree.Name):
            return None
        value = self.lets[node.text].value if node.text in self.lets else node.text
        return value if isinstance(value, str) else None


def whole(value: Fraction) -> str:
    """Return a number as text."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
