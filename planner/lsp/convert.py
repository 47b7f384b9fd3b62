"""Findings, choices, symbols and places of this program as the protocol has them."""

from __future__ import annotations

from collections.abc import Mapping

from lsprotocol import types

from planner.diagnostics import Diagnostic, Span
from planner.lsp.places import Encoding, Lines
from planner.lsp.symbols import Symbol
from planner.lsp.values import Choice

SOURCE = "planner"
UNUSED = frozenset({"W0610", "W0613"})
"""The findings about what can be left out: editors show it faded."""
_KINDS = {
    "keyword": types.CompletionItemKind.Keyword,
    "quantity": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.EnumMember,
    "unit": types.CompletionItemKind.Unit,
    "name": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
    "file": types.CompletionItemKind.File,
}
_SORTS = {
    "workload": types.SymbolKind.Class,
    "row": types.SymbolKind.Struct,
    "value": types.SymbolKind.Constant,
    "rule": types.SymbolKind.Event,
    "test": types.SymbolKind.Method,
    "setting": types.SymbolKind.Property,
}


class Places:
    """The addresses of files, and ranges in their texts, as the client counts them."""

    def __init__(self, encoding: Encoding, addresses: Mapping[str, str], texts: Mapping[str, str]) -> None:
        """Take what columns are counted in, the addresses of paths that the client named, and the texts by path."""
        self.encoding, self.addresses, self.texts = encoding, addresses, texts
        self._lines: dict[str, Lines] = {}

    def address(self, path: str) -> str:
        """Return the address of a path: the client's own spelling where it has the file open."""
        import os

        from pygls.uris import from_fs_path

        full = os.path.abspath(path)
        return self.addresses.get(os.path.realpath(path)) or from_fs_path(full) or f"file://{full}"

    def lines(self, path: str) -> Lines:
        """Return the lines of a file; of one that is not at hand, none but the first."""
        if path not in self._lines:
            self._lines[path] = Lines(self.texts.get(path, ""), self.encoding)
        return self._lines[path]

    def range(self, span: Span) -> types.Range:
        """Return a span as a range."""
        lines = self.lines(span.path)
        return types.Range(types.Position(*lines.position(span.start)), types.Position(*lines.position(span.end)))

    def location(self, span: Span) -> types.Location:
        """Return a span as a place in a file."""
        return types.Location(self.address(span.path), self.range(span))


def diagnostic(item: Diagnostic, places: Places) -> types.Diagnostic:
    """Return a finding: its reason with the way out below it, and the other places it is about."""
    span = item.span
    first = types.Position(0, 0)
    message = item.message if not item.label else f"{item.message}: {item.label}"
    return types.Diagnostic(
        range=types.Range(first, first) if span is None else places.range(span),
        message=f"{message}\nhelp: {item.help}" if item.help else message,
        severity=types.DiagnosticSeverity.Error if item.is_error else types.DiagnosticSeverity.Warning,
        code=item.code,
        source=SOURCE,
        tags=[types.DiagnosticTag.Unnecessary] if item.code in UNUSED else None,
        related_information=[
            types.DiagnosticRelatedInformation(places.location(where), label) for where, label in item.secondary
        ]
        or None,
    )


def action(item: Diagnostic, places: Places) -> types.CodeAction:
    """Return the fix of a finding; one that keeps what the plan means is the preferred one."""
    assert item.fix is not None
    changes: dict[str, list[types.TextEdit]] = {}
    for span, words in item.fix.edits:
        changes.setdefault(places.address(span.path), []).append(types.TextEdit(places.range(span), words))
    return types.CodeAction(
        title=item.fix.title if item.fix.safe else f"{item.fix.title} (changes what the plan means)",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic(item, places)],
        is_preferred=item.fix.safe,
        edit=types.WorkspaceEdit(changes=changes),
    )


def completion(item: Choice, place: int, where: types.Range) -> types.CompletionItem:
    """Return a choice, which replaces what is typed of it; `place` is its turn in the list."""
    return types.CompletionItem(
        label=item.label,
        kind=_KINDS[item.sort],
        detail=item.detail or None,
        sort_text=f"{place:05d}",
        filter_text=item.text,
        text_edit=types.TextEdit(where, item.text),
        data=item.explained or None,
    )


def symbol(item: Symbol, places: Places) -> types.DocumentSymbol:
    """Return an entry of the outline."""
    return types.DocumentSymbol(
        name=item.name,
        detail=item.detail,
        kind=_SORTS[item.sort],
        range=places.range(item.span),
        selection_range=places.range(item.name_span),
        children=[symbol(inner, places) for inner in item.inner],
    )
