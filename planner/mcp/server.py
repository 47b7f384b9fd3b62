"""The server: what each tool takes and returns, as clients and models read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from planner.export.forms import FORMS
from planner.mcp import tools
from planner.mcp.results import AnswerResult, CheckResult, EstimateResult, ExplainResult, ExportResult
from planner.version import __version__

INSTRUCTIONS = """\
Answers what the cheapest hardware is that a model provably fits on, from a plan: a text in a small language that states
models, workloads and rules. Nothing is written and nothing is rented.
- `estimate` a model by its name first: it needs no plan, and says what the model takes and which cards hold it.
- Write a plan, `check` it until nothing is an error, then `solve` it. `explain` knows every quantity, value, unit, GPU,
  model and error code; `explain inference` and `explain training` list what a block can say.
- `why` says what every other GPU and format breaks; `export` gives the command or manifest that runs the answer.
A first plan:
edition 2026
inference chat {
  model = "meta-llama/Llama-3.1-8B-Instruct"
  context = 8Ki tokens
  concurrency = 32
  weights in {bf16, fp8}
  gpus in 1..8
}
minimize cost
An answer is proven where its outcome is `optimal`; `feasible` is the best found in time. Memory includes a margin; what
nobody has measured is `null`, never a guess."""

PlanText = Annotated[str, Field(description="The plan's text; imports are relative to where the server runs.")]
PlanPath = Annotated[str, Field(description="Instead of a text: the path of a plan, a regular file that ends in .mem.")]
Settings = Annotated[
    dict[str, str | float | bool | list[str | float]],
    Field(description='Overrides of the plan by `workload.quantity`: {"chat.context": "16Ki tokens"}; a list offers.'),
]
Seconds = Annotated[str, Field(description="The longest it may take: 30s, 2min.")]
READING = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


def _answered(call: Callable[[], tools.Reply]) -> CallToolResult:
    """Return what a tool says as the protocol has it; what it refuses is an error that the model can read and mend."""
    try:
        said = call()
    except tools.RefusedError as reason:
        raise ToolError(str(reason)) from None
    return CallToolResult(content=[TextContent(type="text", text=said.text)], structured_content=said.document)


def make_server() -> MCPServer[Any]:
    """Return the server with its tools."""
    server: MCPServer[Any] = MCPServer("planner", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING")

    @server.tool(title="Memory and cards of a model", annotations=READING)
    def estimate(
        model: Annotated[
            str,
            Field(description="A model's id, config.json, folder or checkpoint, or a count of parameters like 13B."),
        ] = "",
        gpu: Annotated[
            str, Field(description="A GPU, or its memory (96GiB); without it, the cards that hold it.")
        ] = "",
        gpus: Annotated[str, Field(description="How many GPUs: 1 unless said.")] = "",
        context: Annotated[str, Field(description="Tokens of prompt and output together: 8Ki unless said.")] = "",
        concurrency: Annotated[str, Field(description="Sequences held at once: 1 unless said.")] = "",
        weights: Annotated[str, Field(description="The weights' format: the native one unless said.")] = "",
        kv_cache: Annotated[str, Field(description="The KV cache's format: the engine's own unless said.")] = "",
        engine: Annotated[str, Field(description="The serving engine: vllm unless said.")] = "",
        plan: PlanText = "",
        path: PlanPath = "",
    ) -> Annotated[CallToolResult, EstimateResult]:
        """Say how much memory a model takes and which cards hold it with their price; on a GPU, its memory by part.

        Without a `model`, the memory of a plan with nothing left open, also where it does not fit.
        """
        said = {"gpu": gpu, "gpus": gpus, "context": context, "concurrency": concurrency, "weights": weights,
                "kv_cache": kv_cache, "engine": engine}  # fmt: skip
        return _answered(lambda: tools.estimate(model, plan, path, said))

    @server.tool(title="Solve a plan", annotations=READING)
    def solve(
        plan: PlanText = "",
        path: PlanPath = "",
        settings: Settings = {},  # noqa: B006 - it is only read
        top: Annotated[int, Field(description="How many alternatives to name.", ge=0, le=1000)] = 3,
        time_limit: Seconds = "30s",
    ) -> Annotated[CallToolResult, AnswerResult]:
        """Choose the cheapest hardware that provably fits; where nothing does, name the rules that conflict."""
        return _answered(lambda: tools.solve(plan, path, settings, top, time_limit))

    @server.tool(title="Check a plan", annotations=READING)
    def check(
        plan: PlanText = "",
        path: PlanPath = "",
        locked: Annotated[bool, Field(description="With a path: a missing lock is an error.")] = False,
    ) -> Annotated[CallToolResult, CheckResult]:
        """Say what is wrong with a plan, short of solving it, and with the lock beside its path."""
        return _answered(lambda: tools.check(plan, path, locked))

    @server.tool(title="Why this answer", annotations=READING)
    def why(
        plan: PlanText = "",
        path: PlanPath = "",
        gpu: Annotated[str, Field(description="One GPU type, whether or not the plan offers it; all without it.")] = "",
        time_limit: Seconds = "30s",
    ) -> Annotated[CallToolResult, AnswerResult]:
        """Say what every GPU type, format and way of checkpointing would cost, or which rule it breaks."""
        return _answered(lambda: tools.why(plan, path, gpu, time_limit))

    @server.tool(title="Explain a name", annotations=READING)
    def explain(
        name: Annotated[
            str, Field(description="A code, kind, quantity, word, unit, format, GPU, engine, model, offer or provider.")
        ],
    ) -> Annotated[CallToolResult, ExplainResult]:
        """Say what a name is: units, defaults and values of a quantity, the row of a GPU, model or offer, a code."""
        return _answered(lambda: tools.explain(name))

    @server.tool(title="Export an answer", annotations=READING)
    def export(
        to: Annotated[str, Field(description=f"The form: {', '.join(form.name for form in FORMS)}.")],
        plan: PlanText = "",
        path: PlanPath = "",
        workload: Annotated[
            str, Field(description="One workload of the plan; all of the form's kind without it.")
        ] = "",
        time_limit: Seconds = "30s",
    ) -> Annotated[CallToolResult, ExportResult]:
        """Write what runs an answer (a command, a manifest, a configuration): from the plan's lock, else solved now."""
        return _answered(lambda: tools.export(to, plan, path, workload, time_limit))

    return server


def start() -> None:
    """Serve one client over standard input and output until it leaves; the SDK lets nothing else reach the stream."""
    make_server().run("stdio")
