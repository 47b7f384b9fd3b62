"""The language server: documents as an editor changes them, and what it asks about them."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import redirect_stdout
from dataclasses import field

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from planner.lint.fix import apply
from planner.lsp import convert
from planner.lsp.analysis import Analysis
from planner.lsp.completion import completions
from planner.lsp.definition import definition
from planner.lsp.hover import explained, hover
from planner.lsp.places import Encoding, Lines
from planner.lsp.symbols import symbols
from planner.plan import Shipped, shipped_catalog
from planner.record import dataclass
from planner.syntax.format import format_text
from planner.version import __version__

WAIT = 0.2
"""Seconds that typing must rest before a plan is checked."""
FIX_ALL = "source.fixAll.planner"


@dataclass(slots=True)
class Document:
    """An open plan: its text and version, whether that is the one on the disk, and what was found of it."""

    address: str
    path: str
    text: str
    saved: bool = True
    analysis: Analysis | None = None
    waiting: asyncio.TimerHandle | None = None
    reported: set[str] = field(default_factory=set)


class Plans:
    """The plans that an editor has open, and what each of them says of its files."""

    def __init__(self, server: LanguageServer) -> None:
        """Take the server that tells the client."""
        self.server = server
        self.open: dict[str, Document] = {}
        self._shipped: Shipped | None = None
        self._said: dict[str, dict[str, list[types.Diagnostic]]] = {}  # by file, then by the plan it was found from

    @property
    def shipped(self) -> Shipped:
        """The shipped catalogs, read once."""
        if self._shipped is None:
            self._shipped = shipped_catalog()
        return self._shipped

    @property
    def encoding(self) -> Encoding:
        """What columns are counted in."""
        kind = self.server.server_capabilities.position_encoding
        return "utf-8" if kind == "utf-8" else "utf-32" if kind == "utf-32" else "utf-16"

    def change(self, address: str, text: str, saved: bool = False) -> None:
        """Take a text of a document, and check it, and what imports it, when typing rests."""
        path = to_fs_path(address) or address.rpartition(":")[2] or address
        document = self.open.setdefault(address, Document(address, path, text))
        document.text, document.saved = text, saved
        real = os.path.realpath(path)
        for other in self.open.values():
            known = other.analysis.loaded.texts if other.analysis is not None else {}
            if other is document or any(os.path.realpath(name) == real for name in known):
                other.analysis = None
                self._later(other, 0 if saved else WAIT)

    def close(self, address: str) -> None:
        """Forget a document, and what was said because of it."""
        document = self.open.pop(address, None)
        if document is None:
            return
        if document.waiting is not None:
            document.waiting.cancel()
        for name in document.reported:
            self._tell(name, address, [])

    def analysis(self, address: str) -> Analysis | None:
        """Return what is known of the present text of a document; None for one that is not open."""
        document = self.open.get(address)
        if document is None:
            return None
        if document.analysis is None:
            unsaved = {os.path.realpath(item.path): item.text for item in self.open.values() if item is not document}
            document.analysis = Analysis(document.text, document.path, self.shipped, unsaved)
        return document.analysis

    def places(self, analysis: Analysis) -> convert.Places:
        """Return the files of a plan as the client names them."""
        addresses = {os.path.realpath(item.path): item.address for item in self.open.values()}
        return convert.Places(self.encoding, addresses, {**analysis.texts, analysis.path: analysis.text})

    def lines(self, analysis: Analysis) -> Lines:
        """Return the lines of a plan's own text."""
        return Lines(analysis.text, self.encoding)

    def _later(self, document: Document, wait: float) -> None:
        if document.waiting is not None:
            document.waiting.cancel()
        document.waiting = asyncio.get_running_loop().call_later(wait, self._check, document)

    def _check(self, document: Document) -> None:
        document.waiting = None
        analysis = self.analysis(document.address)
        if analysis is None:
            return
        try:
            findings = analysis.findings(document.saved)
        except Exception as problem:  # the server stays for the next change
            fault = f"error[E9901]: internal error: {type(problem).__name__}: {problem}; please report it with the plan"
            self.server.window_log_message(types.LogMessageParams(types.MessageType.Error, fault))
            return
        places = self.places(analysis)
        by_file: dict[str, list[types.Diagnostic]] = {document.address: []}
        for item in findings:
            where = document.address if item.span is None else places.address(item.span.path)
            by_file.setdefault(where, []).append(convert.diagnostic(item, places))
        for name in document.reported - set(by_file):
            self._tell(name, document.address, [])
        document.reported = set(by_file)
        for name, items in by_file.items():
            self._tell(name, document.address, items)

    def _tell(self, name: str, source: str, findings: list[types.Diagnostic]) -> None:
        """Publish what all open plans say of a file, each finding once."""
        said = self._said.setdefault(name, {})
        said[source] = findings
        if not findings:
            del said[source]
        once: list[types.Diagnostic] = []
        for item in (item for items in said.values() for item in items):
            if item not in once:
                once.append(item)
        self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(name, once))


def start() -> None:
    """Serve one client over standard input and output until it ends or leaves; nothing else reaches its stream."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as stream, redirect_stdout(sys.stderr):
        make_server().start_io(stdout=stream)


def make_server() -> LanguageServer:
    """Return the server with its features.

    Texts come whole: a client and Python do not agree on what ends a line, which changes to parts of a text count in.
    """
    server = LanguageServer("planner", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    plans = Plans(server)
    _documents(server, plans)
    _questions(server, plans)
    _edits(server, plans)
    return server


def _documents(server: LanguageServer, plans: Plans) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        plans.change(document.uri, document.text, saved=_on_disk(document.uri, document.text))

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        plans.change(params.text_document.uri, params.content_changes[-1].text)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        document = plans.open.get(params.text_document.uri)
        if document is not None:
            plans.change(document.address, document.text, saved=True)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        plans.close(params.text_document.uri)


def _on_disk(address: str, text: str) -> bool:
    """Return whether a document that is opened has the text of its file: editors reopen what was not saved."""
    from planner.syntax.files import read

    path = to_fs_path(address)
    return path is not None and address.startswith("file:") and read(path)[0] == text


def _questions(server: LanguageServer, plans: Plans) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(params: types.HoverParams) -> types.Hover | None:
        analysis = plans.analysis(params.text_document.uri)
        if analysis is None:
            return None
        at = plans.lines(analysis).offset(params.position.line, params.position.character)
        answer = hover(analysis, at)
        if answer is None:
            return None
        text, span = answer
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), plans.places(analysis).range(span))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def defined(params: types.DefinitionParams) -> types.Location | None:
        analysis = plans.analysis(params.text_document.uri)
        if analysis is None:
            return None
        span = definition(analysis, plans.lines(analysis).offset(params.position.line, params.position.character))
        return None if span is None else plans.places(analysis).location(span)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outlined(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        analysis = plans.analysis(params.text_document.uri)
        if analysis is None:
            return []
        places = convert.Places(plans.encoding, {}, {analysis.path: analysis.text})
        return [convert.symbol(item, places) for item in symbols(analysis.own)]

    options = types.CompletionOptions(trigger_characters=[".", '"', "="], resolve_provider=True)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, options)
    def completed(params: types.CompletionParams) -> types.CompletionList:
        analysis = plans.analysis(params.text_document.uri)
        if analysis is None:
            return types.CompletionList(False, [])
        at = plans.lines(analysis).offset(params.position.line, params.position.character)
        start, choices = completions(analysis, at)
        where = types.Range(types.Position(*plans.lines(analysis).position(start)), params.position)
        items = [convert.completion(item, place, where) for place, item in enumerate(choices)]
        return types.CompletionList(False, items)

    @server.feature(types.COMPLETION_ITEM_RESOLVE)
    def resolved(item: types.CompletionItem) -> types.CompletionItem:
        text = explained(item.data, Analysis("", "", plans.shipped)) if isinstance(item.data, str) else ""
        item.documentation = types.MarkupContent(types.MarkupKind.Markdown, text) if text else None
        return item


def _edits(server: LanguageServer, plans: Plans) -> None:
    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatted(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        analysis = plans.analysis(params.text_document.uri)
        text = None if analysis is None else format_text(analysis.text, analysis.path)[0]
        if analysis is None or text is None or text == analysis.text:
            return None  # one with mistakes stays as it is
        return [_whole(plans.lines(analysis), text)]

    kinds = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, FIX_ALL])

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)
    def acted(params: types.CodeActionParams) -> list[types.CodeAction]:
        address = params.text_document.uri
        analysis, document = plans.analysis(address), plans.open.get(address)
        if analysis is None or document is None:
            return []
        findings, lines, places = analysis.findings(document.saved), plans.lines(analysis), plans.places(analysis)
        start, end = (lines.offset(place.line, place.character) for place in (params.range.start, params.range.end))
        here = [
            item
            for item in findings
            if item.fix is not None and item.span is not None and item.span.path == analysis.path
            and item.span.start <= end and start <= item.span.end
        ]  # fmt: skip
        only = params.context.only or (types.CodeActionKind.QuickFix, FIX_ALL)
        out = [convert.action(item, places) for item in here] if _asks(only, types.CodeActionKind.QuickFix) else []
        text, mended = apply(analysis.text, analysis.path, findings)
        if mended and _asks(only, FIX_ALL):
            edit = types.WorkspaceEdit(changes={address: [_whole(lines, text)]})
            out.append(types.CodeAction("apply all safe fixes", kind=FIX_ALL, edit=edit))
        return out


def _asks(only: object, kind: str) -> bool:
    """Return whether a client asks for a kind of action, or for one that it belongs to."""
    wanted = [str(getattr(item, "value", item)) for item in only] if isinstance(only, list | tuple) else []
    return any(kind == item or kind.startswith(f"{item}.") for item in wanted)


def _whole(lines: Lines, text: str) -> types.TextEdit:
    end = types.Position(*lines.position(len(lines.text)))
    return types.TextEdit(types.Range(types.Position(0, 0), end), text)
