"""The language server over standard input and output, spoken to as an editor does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from command import run

pytest.importorskip("pygls", reason="the extra `lsp` is not installed")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

import planner.cli.verbs.lsp
from planner.syntax.format import format_text

ROOT = Path(__file__).parents[1]
LONG = 60.0
"""Seconds that a busy machine may take for one answer."""
CHAT = (ROOT / "examples/chat.mem").read_text()


class Editor(LanguageClient):
    """An editor with some plans open; `said` are the findings of each file as they came last."""

    def __init__(self) -> None:
        super().__init__("editor", "1")
        self.said: dict[str, list[types.Diagnostic]] = {}
        self.count: dict[str, int] = {}
        self.came = asyncio.Event()

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.said[params.uri] = list(params.diagnostics)
            self.count[params.uri] = self.count.get(params.uri, 0) + 1
            self.came.set()

    def open(self, path: Path, text: str | None = None) -> types.TextDocumentIdentifier:
        words = path.read_text() if text is None else text
        item = types.TextDocumentItem(path.as_uri(), "mem", 1, words)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return types.TextDocumentIdentifier(path.as_uri())

    def type(self, path: Path, text: str) -> None:
        change = types.TextDocumentContentChangeWholeDocument(text)
        document = types.VersionedTextDocumentIdentifier(2, path.as_uri())
        self.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def codes(self, path: Path, wanted: Callable[[set[str]], bool]) -> set[str]:
        """Return the codes of a file's findings once they are as wanted."""
        while True:
            self.came.clear()
            found = {str(item.code) for item in self.said.get(path.as_uri(), [])}
            if path.as_uri() in self.said and wanted(found):
                return found
            await asyncio.wait_for(self.came.wait(), LONG)


@asynccontextmanager
async def edited() -> AsyncIterator[Editor]:
    """Start a server, and end it as the protocol says; it then leaves with 0."""
    editor = Editor()
    await editor.start_io(sys.executable, "-m", "planner", "lsp", "--stdio", cwd=str(ROOT))
    await editor.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    editor.initialized(types.InitializedParams())
    yield editor
    await editor.shutdown_async(None)
    editor.exit(None)
    assert editor._server is not None
    assert await asyncio.wait_for(editor._server.wait(), LONG) == 0
    await editor.stop()


def spoken(talk: Callable[[Editor], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with edited() as editor:
            await talk(editor)

    asyncio.run(whole())


def place(text: str, mark: str) -> types.Position:
    """Return the position behind the first occurrence of some words, in UTF-16 units."""
    before = text[: text.index(mark) + len(mark)]
    return types.Position(before.count("\n"), len(before.rpartition("\n")[2].encode("utf-16-le")) // 2)


def edit(text: str, edits: list[types.TextEdit] | tuple[types.TextEdit, ...]) -> str:
    """Return a text with edits that do not overlap."""
    rows = text.split("\n")
    starts = [sum(len(row) + 1 for row in rows[:line]) for line in range(len(rows) + 1)]
    for item in sorted(edits, key=lambda item: (item.range.start.line, item.range.start.character), reverse=True):
        first, last = (starts[at.line] + at.character for at in (item.range.start, item.range.end))
        text = text[:first] + item.new_text + text[last:]
    return text


def test_findings_while_typing_are_those_of_check(tmp_path: Path) -> None:
    """Also of imports, whose texts may not be saved either; with the lock only where the text is that of the file."""
    shared, plan, lock = tmp_path / "shared.mem", tmp_path / "plan.mem", tmp_path / "plan.mem.lock"
    shared.write_text("edition 2026\nlet night = $3/h\n")
    text = (
        CHAT.replace("\ninference", '\nimport {night} from "shared.mem"\n\ninference') + "\nfleet { cost <= night }\n"
    )
    plan.write_text(text)

    async def talk(editor: Editor) -> None:
        editor.open(plan)
        assert await editor.codes(plan, lambda codes: True) == set()
        assert await editor.codes(lock, bool) == {"W0801"}
        editor.type(plan, text.replace("8Ki", "8k"))
        assert await editor.codes(plan, lambda codes: "W0606" in codes) == {"W0606"}
        assert await editor.codes(lock, lambda codes: not codes) == set()
        editor.type(plan, text)
        await editor.codes(plan, lambda codes: not codes)
        editor.open(shared)
        editor.type(shared, "edition 2026\nlet night = 3 GiB +\n")
        assert await editor.codes(shared, bool) == {"E0102"}
        editor.type(shared, "edition 2026\nlet day = $3/h\n")
        assert "E0301" in await editor.codes(plan, lambda codes: "E0301" in codes)
        assert await editor.codes(shared, lambda codes: not codes) == set()
        editor.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(shared.as_uri())))
        editor.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(plan.as_uri())))
        await editor.codes(plan, lambda codes: not codes)

    spoken(talk)


def test_the_corpus_of_mistakes_is_found_as_check_finds_it() -> None:
    """Each file of the corpus: code, line and column, the last in UTF-16 units."""
    paths = sorted((ROOT / "tests/corpus/errors").glob("*.mem"))[::4]
    expected = {}
    for path in paths:
        found = json.loads(run("check", "--format", "json", str(path)).stdout or "[]")
        rows = found if isinstance(found, list) else found["diagnostics"]
        expected[path] = sorted((row["code"], row["line"], row["column"]) for row in rows if row["file"] == str(path))

    async def talk(editor: Editor) -> None:
        for path in paths:
            if not expected[path] or any(code.startswith("E00") for code, _, _ in expected[path]):
                continue
            text = path.read_text()
            editor.open(path, text)
            await editor.codes(path, bool)
            rows = text.split("\n")
            got = []
            for item in editor.said[path.as_uri()]:
                start = item.range.start
                units = rows[start.line].encode("utf-16-le")[: 2 * start.character]
                got.append((item.code, start.line + 1, len(units.decode("utf-16-le")) + 1))
            assert sorted(got) == expected[path], path.name

    spoken(talk)


def test_columns_are_in_units_of_utf_16(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    text = 'let a = if "🦙🦙" == "x" then 8 tokns else 1\n'

    async def talk(editor: Editor) -> None:
        editor.open(plan, text)
        await editor.codes(plan, lambda codes: "E0105" in codes)
        (found,) = [item for item in editor.said[plan.as_uri()] if item.code == "E0105"]
        row = text.encode("utf-16-le")[2 * found.range.start.character : 2 * found.range.end.character]
        assert row.decode("utf-16-le") == "tokns"
        assert "help: " in found.message

    spoken(talk)


def test_typing_is_waited_for(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"

    async def talk(editor: Editor) -> None:
        editor.open(plan, CHAT)
        await editor.codes(plan, lambda codes: True)
        before = editor.count[plan.as_uri()]
        for end in range(20):
            editor.type(plan, CHAT + "lett"[: end % 5])
        editor.type(plan, CHAT.replace("8Ki", "8k"))
        await editor.codes(plan, lambda codes: codes == {"W0606"})
        assert editor.count[plan.as_uri()] == before + 1

    spoken(talk)


def test_questions_and_edits(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    text = CHAT.replace("edition 2026\n", "").replace("8Ki", "8k").replace("model       =", "model =")
    text += "let spare = $1/h\n"

    async def talk(editor: Editor) -> None:
        document = editor.open(plan, text)
        await editor.codes(plan, lambda codes: {"W0606", "W0614", "W0610"} <= codes)
        faded = [item.code for item in editor.said[plan.as_uri()] if item.tags == (types.DiagnosticTag.Unnecessary,)]
        assert faded == ["W0610"]
        hover = await editor.text_document_hover_async(types.HoverParams(document, place(text, "kv_cach")))
        assert hover is not None and isinstance(hover.contents, types.MarkupContent)
        assert "The number format of the KV cache" in hover.contents.value
        asked = types.CompletionParams(document, place(text, "kv_cache in {b"))
        found = await editor.text_document_completion_async(asked)
        assert isinstance(found, types.CompletionList)
        (item,) = [item for item in found.items if item.label == "fp8_e4m3"]
        assert isinstance(item.text_edit, types.TextEdit)
        assert edit(text, [item.text_edit]) == text.replace("kv_cache in {bf16", "kv_cache in {fp8_e4m3f16")
        whole = await editor.completion_item_resolve_async(item)
        assert isinstance(whole.documentation, types.MarkupContent)
        assert "a number format" in whole.documentation.value
        laid = await editor.text_document_formatting_async(
            types.DocumentFormattingParams(document, types.FormattingOptions(2, True))
        )
        assert edit(text, list(laid or ())) == format_text(text)[0]
        outline = await editor.text_document_document_symbol_async(types.DocumentSymbolParams(document))
        assert [item.name for item in outline or ()] == ["chat", "minimize cost", "spare"]
        everything = types.Range(types.Position(0, 0), types.Position(99, 0))
        actions = await editor.text_document_code_action_async(
            types.CodeActionParams(document, everything, types.CodeActionContext([]))
        )
        by_title = {item.title: item for item in actions or () if isinstance(item, types.CodeAction)}
        assert [item for item in by_title if "changes what the plan means" in item] == [
            "write `8Ki` (changes what the plan means)"
        ]
        for title, action in by_title.items():
            assert action.edit is not None and action.edit.changes is not None
            fixed = edit(text, list(action.edit.changes[plan.as_uri()]))
            if title == "apply all safe fixes":
                assert "edition 2026" in fixed and "spare" not in fixed and "8k" in fixed
            if title.startswith("write"):
                assert "context     = 8Ki tokens" in fixed and action.is_preferred is False
        one = await editor.text_document_code_action_async(
            types.CodeActionParams(
                document, types.Range(place(text, "8k"), place(text, "8k")), types.CodeActionContext([])
            )
        )
        assert [item.title for item in one or ()][:1] == ["write `8Ki` (changes what the plan means)"]

    spoken(talk)


def test_definitions_lead_into_imported_files(tmp_path: Path) -> None:
    shared, plan = tmp_path / "shared.mem", tmp_path / "plan.mem"
    shared.write_text("edition 2026\nlet night = $3/h\n")
    text = 'edition 2026\nimport {night} from "shared.mem"\nfleet { cost <= night }\n'

    async def talk(editor: Editor) -> None:
        document = editor.open(plan, text)
        found = await editor.text_document_definition_async(types.DefinitionParams(document, place(text, "cost <= ni")))
        assert isinstance(found, types.Location)
        assert (found.uri, found.range.start) == (shared.as_uri(), types.Position(1, 4))

    spoken(talk)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner.cli.verbs.lsp, "find_spec", lambda name: None)
    done = run("lsp")
    assert done.returncode == 2
    assert done.stderr == "error: the language server needs pygls; install it with: pip install 'mem-planner[lsp]'\n"
    assert done.stdout == ""
