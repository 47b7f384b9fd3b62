"""The tools over standard input and output, called with the SDK's client as an agent calls them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from command import run

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

from jsonschema import Draft202012Validator
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

import planner.cli.verbs.mcp

ROOT = Path(__file__).parents[1]
CHAT = (ROOT / "examples/chat.mem").read_text()
TOOLS = {"estimate", "solve", "check", "why", "explain", "export"}


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[Client]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = StdioServerParameters(command=sys.executable, args=["-m", "planner", "mcp"], cwd=str(folder), env=env)
    async with Client(stdio_client(server)) as client:
        yield client


def talk(folder: Path, ask: Callable[[Client], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asked(folder) as client:
            await ask(client)

    asyncio.run(whole())


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def strict(schema: Any) -> Any:
    """Return a schema that allows no key that it does not name."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    more = {key: strict(value) for key, value in schema.items()}
    return more | ({"additionalProperties": False} if "properties" in schema else {})


def test_every_tool_says_what_it_takes_and_returns(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == TOOLS
        for tool in tools:
            for schema in (tool.input_schema, tool.output_schema):
                assert schema is not None
                Draft202012Validator.check_schema(schema)
                assert schema["type"] == "object"
            assert tool.description and tool.annotations is not None and tool.annotations.read_only_hint
            named = {name for name, row in tool.input_schema["properties"].items() if not row.get("description")}
            assert named == set(), tool.name
        assert "minimize cost" in (client.instructions or "")

    talk(tmp_path, ask)


def test_answers_are_those_of_the_command_line_and_keep_their_schemas() -> None:
    """Each document against its tool's schema, which then allows no key that it does not name."""
    calls: list[tuple[str, dict[str, Any]]] = [
        *(("solve", {"path": f"examples/{name}.mem"}) for name in ("chat", "qlora", "impossible")),
        ("solve", {"path": "examples/models.mem", "top": 1}),
        ("solve", {"plan": CHAT, "settings": {"chat.concurrency": 4, "chat.gpus": [1, 2]}}),
        ("check", {"plan": CHAT.replace("8Ki", "8k")}),
        ("check", {"path": "examples/impossible.mem"}),
        ("check", {"path": "tests/corpus/errors/E0402-a-format-for-no-cache.mem"}),
        ("why", {"path": "examples/chat.mem"}),
        ("why", {"path": "examples/qlora.mem", "gpu": "h100_sxm"}),
        ("explain", {"name": "weights"}),
        ("estimate", {"model": "Qwen/Qwen3-32B", "context": "16Ki"}),
        ("estimate", {"model": "Qwen/Qwen3-32B", "gpu": "l40s", "gpus": "4"}),
        ("estimate", {"model": "Qwen/Qwen3-32B", "gpu": "24GiB"}),
        ("estimate", {"model": "70b", "weights": "int4"}),
        ("estimate", {"path": "examples/rule_of_thumb.mem"}),
        ("export", {"to": "vllm", "path": "examples/chat.mem"}),
        ("export", {"to": "compose", "plan": CHAT}),
    ]

    async def ask(client: Client) -> None:
        schemas = {tool.name: strict(tool.output_schema) for tool in (await client.list_tools()).tools}
        for name, words in calls:
            result = await client.call_tool(name, words)
            assert not result.is_error, (name, words, text(result))
            found = [
                item.message for item in Draft202012Validator(schemas[name]).iter_errors(result.structured_content)
            ]
            assert found == [], (name, words)
            if name == "solve" and words.get("path") and "top" not in words:
                done = run("solve", "--no-lock", "--format", "json", words["path"])
                expected = json.loads(done.stdout)
                document = result.structured_content
                assert document is not None
                shared = ("outcome", "objective", "cost_usd_per_hour", "workloads", "plan")
                assert {key: document[key] for key in shared} == {key: expected[key] for key in shared}
            if name == "explain":
                assert text(result) == run("explain", words["name"]).stdout.rstrip("\n")
        exported = await client.call_tool("export", {"to": "vllm", "path": "examples/chat.mem"})
        assert exported.structured_content is not None
        assert exported.structured_content["locked"] is True
        wanted = run("export", "examples/chat.mem", "--to", "vllm").stdout
        assert exported.structured_content["files"] == {"chat.vllm.sh": wanted}

    talk(ROOT, ask)


@pytest.mark.parametrize(
    ("tool", "words", "said"),
    [
        ("solve", {"plan": "edition 2026\nlet a = 8 tokns"}, "E0105"),
        ("solve", {}, "one of them"),
        ("solve", {"plan": CHAT, "path": "chat.mem"}, "one of them"),
        ("solve", {"path": "none.mem"}, "E0001"),
        ("solve", {"path": "/etc/hosts"}, "ends in .mem"),
        ("solve", {"path": "/dev/stdin"}, "ends in .mem"),
        ("solve", {"path": "-"}, "ends in .mem"),
        ("solve", {"path": "pipe.mem"}, "E0004"),
        ("solve", {"path": "folder.mem"}, "E0004"),
        ("solve", {"plan": CHAT, "time_limit": "soon"}, "invalid duration"),
        ("solve", {"plan": CHAT, "settings": {"chat.nothing": 1}}, "error["),
        ("why", {"plan": CHAT, "gpu": "h100_sxn"}, "unknown GPU"),
        ("explain", {"name": "wieghts"}, "did you mean `weights`"),
        ("estimate", {"model": "no/such"}, "E0301"),
        ("estimate", {"model": "Qwen/Qwen3-32B", "context": "long"}, "--context"),
        ("estimate", {"model": "70b", "gpu": "l40s"}, "count of parameters"),
        ("estimate", {"plan": CHAT}, "E0404"),
        ("export", {"to": "fax", "plan": CHAT}, "available: vllm"),
        ("export", {"to": "vllm", "plan": CHAT, "workload": "rag"}, "available: chat"),
        ("export", {"to": "vllm", "path": "impossible.mem"}, "E0701"),
        ("export", {"to": "llama-server", "plan": CHAT}, "E0806"),
        ("export", {"to": "vllm", "path": "stale.mem"}, "E0802"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(tool: str, words: dict[str, Any], said: str, served: Served) -> None:
    result = served.call(tool, words)
    assert result.is_error
    assert said in text(result), text(result)


class Served:
    """A server in a folder of some plans, for many calls; nothing is written there."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.queue: asyncio.Queue[tuple[str, dict[str, Any], asyncio.Future[CallToolResult]] | None] = asyncio.Queue()
        self.task = self.loop.create_task(self._serve(folder))

    async def _serve(self, folder: Path) -> None:
        async with asked(folder) as client:
            while (item := await self.queue.get()) is not None:
                tool, words, future = item
                future.set_result(await client.call_tool(tool, words))

    def call(self, tool: str, words: dict[str, Any]) -> CallToolResult:
        future: asyncio.Future[CallToolResult] = self.loop.create_future()
        self.queue.put_nowait((tool, words, future))
        return self.loop.run_until_complete(asyncio.wait_for(future, 120))

    def close(self) -> None:
        self.queue.put_nowait(None)
        self.loop.run_until_complete(self.task)
        self.loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("plans")
    (folder / "impossible.mem").write_text((ROOT / "examples/impossible.mem").read_text())
    (folder / "stale.mem").write_text(CHAT.replace("concurrency = 32", "concurrency = 31"))
    (folder / "stale.mem.lock").write_text((ROOT / "examples/chat.mem.lock").read_text())
    (folder / "folder.mem").mkdir()
    os.mkfifo(folder / "pipe.mem")
    before = {item: item.stat().st_mtime_ns for item in folder.rglob("*")}
    found = Served(folder)
    yield found
    found.close()
    assert {item: item.stat().st_mtime_ns for item in folder.rglob("*")} == before


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner.cli.verbs.mcp, "find_spec", lambda name: None)
    done = run("mcp")
    assert done.returncode == 2
    assert done.stderr == "error: the tools need the MCP SDK; install it with: pip install 'mem-planner[mcp]'\n"
    assert done.stdout == ""
